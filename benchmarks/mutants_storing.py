"""Classic bugs of stored transitions, replay, acting, schedules and seeds, and the fast tests that
must catch them."""

from __future__ import annotations

from mutant import Mutant

PER = "lrdqn/replay/prioritized.py"
RANK = "lrdqn/replay/rank.py"
RING = "lrdqn/replay/ring.py"
UNIFORM = "lrdqn/replay/uniform.py"
TREE = "lrdqn/ops/sum_tree.py"
LOOP = "lrdqn/train/loop.py"
ROLLOUT = "lrdqn/train/rollout.py"
EXPLORE = "lrdqn/ops/exploration.py"
T_DQN = "tests/agents/test_dqn.py"
T_ROLLOUT = "tests/train/test_rollout.py"
T_PER = "tests/replay/test_prioritized.py"
T_RANK = "tests/replay/test_rank.py"
T_LOOP = "tests/train/test_loop.py"
T_TREE = "tests/ops/test_sum_tree.py"
T_EXPLORE = "tests/ops/test_exploration.py"

STORING = (
    # what is stored
    Mutant(
        "truncation as termination",
        ROLLOUT,
        "alive = 1.0 - timestep.terminated.astype(jnp.float32)",
        "alive = 1.0 - (timestep.terminated | timestep.truncated).astype(jnp.float32)",
        (f"{T_ROLLOUT}::test_ends_and_time_reach_replay_as_a_discount",),
    ),
    Mutant(
        "terminal mask missing",
        ROLLOUT,
        "discount=jnp.power(hypers.gamma, timestep.elapsed) * alive",
        "discount=jnp.power(hypers.gamma, timestep.elapsed)",
        (f"{T_ROLLOUT}::test_ends_and_time_reach_replay_as_a_discount",),
    ),
    Mutant(
        "the next session's first observation as next",
        ROLLOUT,
        "next_obs=timestep.final_obs",
        "next_obs=timestep.obs",
        (f"{T_ROLLOUT}::test_ends_and_time_reach_replay_as_a_discount",),
    ),
    Mutant(
        "gamma times the time that passed",
        ROLLOUT,
        "jnp.power(hypers.gamma, timestep.elapsed)",
        "hypers.gamma * timestep.elapsed",
        (f"{T_ROLLOUT}::test_the_discount_is_a_power_of_the_time_that_passed",),
    ),
    Mutant(
        "reward scaled twice",
        ROLLOUT,
        "reward=hypers.reward_scale *",
        "reward=hypers.reward_scale**2 *",
        (f"{T_ROLLOUT}::test_rewards_are_scaled_once_and_stored_finite",),
    ),
    Mutant(
        "a reward that is not finite is stored",
        ROLLOUT,
        "hypers.reward_scale * finite_or_zero(timestep.reward)",
        "hypers.reward_scale * timestep.reward",
        (f"{T_ROLLOUT}::test_rewards_are_scaled_once_and_stored_finite",),
    ),
    Mutant(
        "acting and the world share a key",
        ROLLOUT,
        "action = act(obs, keys[0])",
        "action = act(obs, keys[1])",
        (f"{T_ROLLOUT}::test_acting_and_the_world_draw_numbers_of_their_own",),
    ),
    # replay
    Mutant(
        "ring: one slot too far",
        RING,
        "indices = (ring.position + jnp.arange(n, dtype=jnp.int32)) % capacity",
        "indices = (ring.position + 1 + jnp.arange(n, dtype=jnp.int32)) % capacity",
        ("tests/replay/test_ring.py::test_lockstep_with_a_list",),
    ),
    Mutant(
        "ring: does not wrap",
        RING,
        "ring = Ring(data, (ring.position + count) % capacity,",
        "ring = Ring(data, jnp.minimum(ring.position + count, capacity - 1),",
        ("tests/replay/test_ring.py::test_lockstep_with_a_list",),
    ),
    Mutant(
        "ring: size one too many",
        RING,
        "jnp.minimum(ring.size + count, capacity)",
        "jnp.minimum(ring.size + count + 1, capacity)",
        ("tests/replay/test_ring.py::test_lockstep_with_a_list",),
    ),
    Mutant(
        "ring: incomplete decisions take slots",
        RING,
        'count, mode = jnp.sum(complete, dtype=jnp.int32), "drop"',
        'count, mode = jnp.int32(n), "drop"',
        ("tests/train/test_decisions.py::test_replay_holds_each_decision_once_and_nothing_else",),
    ),
    Mutant(
        "updates by steps, not by decisions",
        LOOP,
        'state = state._replace(owed=state.owed + jnp.sum(played["decisions"]))',
        "state = state._replace(owed=state.owed + plan.stride)",
        ("tests/train/test_decisions.py::test_an_update_follows_so_many_decisions",),
    ),
    Mutant(
        "training return of sessions that go on",
        LOOP,
        "jnp.sum(jnp.where(ended, returns, 0.0))",
        "jnp.sum(returns)",
        ("tests/train/test_loop.py::test_the_training_return_is_the_mean_of_finished_sessions",),
    ),
    Mutant(
        "strata with 32 bits",
        "lrdqn/ops/stratified.py",
        "(high + low * np.float64(2**-32))",
        "high",
        (
            "tests/ops/test_stratified.py::test_the_last_of_many_parts_has_as_many_values_as_the_first",
        ),
    ),
    Mutant(
        "uniform: draws slots that are not filled",
        UNIFORM,
        "0, state.size, jnp.int32)",
        "0, config.capacity, jnp.int32)",
        ("tests/replay/test_uniform.py::test_every_filled_slot_alike",),
    ),
    Mutant(
        "PER: priorities for probabilities",
        PER,
        "probabilities = leaves / total",
        "probabilities = leaves",
        (f"{T_PER}::test_printed_numbers",),
    ),
    Mutant(
        "PER: sign of beta",
        PER,
        "jnp.power(jnp.min(probabilities) / probabilities, beta)",
        "jnp.power(probabilities / jnp.min(probabilities), beta)",
        (f"{T_PER}::test_weights_of_a_batch",),
    ),
    Mutant(
        "PER: alpha applied twice",
        PER,
        "finite, jnp.power(priority, hypers.alpha), sum_tree.read",
        "finite, jnp.power(priority, hypers.alpha**2), sum_tree.read",
        (f"{T_PER}::test_printed_numbers",),
    ),
    Mutant(
        "PER: error not absolute",
        PER,
        "jnp.minimum(jnp.abs(td_error), LARGEST_PRIORITY)",
        "jnp.clip(td_error, 0.0, LARGEST_PRIORITY)",
        (f"{T_PER}::test_printed_numbers",),
    ),
    Mutant(
        "PER: new transitions at priority 1",
        PER,
        "jnp.power(state.max_priority, hypers.alpha)",
        "jnp.power(1.0, hypers.alpha)",
        (f"{T_PER}::test_lockstep_with_a_list",),
    ),
    Mutant(
        "PER: priorities in the wrong slots",
        PER,
        "tree=sum_tree.write(state.tree, indices, leaves),\n            max_priority",
        "tree=sum_tree.write(state.tree, indices, leaves[::-1]),\n            max_priority",
        (f"{T_PER}::test_printed_numbers",),
    ),
    Mutant(
        "PER: a NaN reaches the tree",
        PER,
        "finite = jnp.isfinite(td_error)",
        "finite = jnp.ones(td_error.shape, bool)",
        (f"{T_PER}::test_an_error_that_is_not_finite_stops_at_the_gate",),
    ),
    Mutant(
        "rank: smallest error first",
        RANK,
        "jnp.argsort(-state.priority, stable=True)",
        ("jnp.argsort(jnp.where(state.priority < 0, jnp.inf, state.priority), stable=True)"),
        (f"{T_RANK}::test_printed_numbers",),
    ),
    Mutant(
        "rank: ranks from 0 (the first twice as likely)",
        RANK,
        "jnp.arange(1, capacity + 1, dtype=jnp.int32)",
        "jnp.maximum(jnp.arange(0, capacity, dtype=jnp.int32), 1)",
        (f"{T_RANK}::test_probabilities_of_a_large_memory_are_exact",),
    ),
    Mutant(
        "sum tree: a mass on the edge goes to the slot before",
        TREE,
        "place = [mass >= end for end in ends[:-1]]",
        "place = [mass > end for end in ends[:-1]]",
        (f"{T_TREE}::test_golden_draws",),
    ),
    Mutant(
        "sum tree: a search in float32",
        TREE,
        "mass.astype(jnp.float64) / tree.root.astype(jnp.float64)",
        "mass.astype(jnp.float32).astype(jnp.float64) / tree.root.astype(jnp.float64)",
        (f"{T_TREE}::test_every_leaf_is_found_with_its_probability",),
    ),
    Mutant(
        "sum tree: of duplicates, any is stored",
        TREE,
        "_scatter_max(_scatter(tree.leaves, indices, values), indices, values)",
        "_scatter(tree.leaves, indices, values)",
        (f"{T_TREE}::test_of_several_values_for_one_leaf_the_largest_is_stored",),
    ),
    Mutant(
        "sum tree: empty leaves can be found",
        TREE,
        "jnp.minimum(part * ends[-1], ends[-1] * BELOW_ONE)",
        "part * ends[-1]",
        (f"{T_TREE}::test_zero_leaves_are_never_found",),
    ),
    Mutant(
        "sum tree: ancestors of the first leaf only",
        TREE,
        "nodes, rows = _scatter(nodes, places, sums), places // WIDTH",
        "nodes, rows = _scatter(nodes, places[:1], sums[:1]), places // WIDTH",
        (f"{T_TREE}::test_lockstep_with_a_list",),
    ),
    # acting, schedules, seeds
    Mutant(
        "epsilon the wrong way round",
        EXPLORE,
        "return jnp.where(u < epsilon, explored, greedy(q, mask))",
        "return jnp.where(u >= epsilon, explored, greedy(q, mask))",
        (f"{T_EXPLORE}::test_epsilon_zero_never_explores_and_one_always_does",),
    ),
    Mutant(
        "exploration off the mask",
        EXPLORE,
        "place = jnp.cumsum(mask, dtype=jnp.int32)",
        "place = jnp.cumsum(jnp.ones_like(mask), dtype=jnp.int32)",
        (f"{T_DQN}::test_act_never_takes_what_is_not_offered",),
    ),
    Mutant(
        "schedule runs backwards",
        "lrdqn/ops/schedules.py",
        "return (1.0 - share) * start + share * end",
        "return share * start + (1.0 - share) * end",
        ("tests/ops/test_schedules.py::test_points",),
    ),
    Mutant(
        "every seed gets the same key",
        "lrdqn/runner/devices.py",
        "jax.random.fold_in(root, i))(jnp.arange(seeds))",
        "jax.random.fold_in(root, 0 * i))(jnp.arange(seeds))",
        (f"{T_LOOP}::test_seeds_are_honest",),
    ),
    Mutant(
        "gamma of the run for all learners",
        LOOP,
        "state, played = collect(state, world, now, now.epsilon",
        "state, played = collect(state, world, now._replace(gamma=jnp.float32(0.9)), now.epsilon",
        (f"{T_LOOP}::test_gamma_zero_never_bootstraps",),
    ),
    Mutant(
        "the run's key is never renewed",
        LOOP,
        "state, metrics = hoisted_scan(one_iteration, state._replace(key=following), steps)",
        "state, metrics = hoisted_scan(one_iteration, state, steps)",
        (f"{T_LOOP}::test_random_numbers_are_not_used_twice",),
    ),
)
