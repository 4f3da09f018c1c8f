"""Classic bugs of targets, updates, heads and horizons, and the fast tests that must catch them."""

from __future__ import annotations

from mutant import Mutant

TARGETS = "lrdqn/agents/dqn/targets.py"
DQN = "lrdqn/agents/dqn/agent.py"
POLICIES = "lrdqn/ops/policies.py"
VALUES = "lrdqn/ops/values.py"
RETURNS = "lrdqn/ops/returns.py"
HEADS = "lrdqn/networks/heads.py"
HORIZON = "lrdqn/train/horizon.py"
T_TARGETS = "tests/agents/test_targets.py"
T_DQN = "tests/agents/test_dqn.py"
T_VALUES = "tests/ops/test_values.py"
T_RETURNS = "tests/ops/test_returns.py"
T_HEADS = "tests/networks/test_heads.py"
T_HORIZON = "tests/train/test_horizon.py"

NO_OP = Mutant("nothing changed", DQN, '"loss": loss,', '"loss": 1.0 * loss,', ())
"""A program that is only spelt differently: every named test must pass on it."""

LEARNING = (
    # targets
    Mutant(
        "bootstrap reads actions that are not offered",
        TARGETS,
        "return jnp.argmax(masked(out.q, out.mask), axis=-1)",
        "return jnp.argmax(out.q, axis=-1)",
        (f"{T_TARGETS}::test_masked_actions_cannot_be_seen",),
    ),
    Mutant(
        "mask inverted",
        "lrdqn/ops/masking.py",
        "jnp.where(mask, jnp.maximum(q, MASKED / 2), MASKED)",
        "jnp.where(mask, MASKED, jnp.maximum(q, MASKED / 2))",
        (f"{T_TARGETS}::test_masked_actions_cannot_be_seen",),
    ),
    Mutant(
        "min for max",
        TARGETS,
        "return jnp.argmax(masked(out.q, out.mask), axis=-1)",
        "return jnp.argmin(jnp.where(out.mask, out.q, jnp.inf), axis=-1)",
        (f"{T_TARGETS}::test_equals_the_definition",),
    ),
    Mutant(
        "mean for max",
        TARGETS,
        "raw = jnp.take_along_axis(out.raw, best_action(out)[:, None, None], axis=1)[:, 0]",
        "raw = jnp.mean(out.raw, axis=1)",
        (f"{T_TARGETS}::test_equals_the_definition",),
    ),
    Mutant(
        "double: the target network chooses too",
        TARGETS,
        "out = inputs.network.apply(inputs.params, t.next_obs, inputs.catalogue, select_key)",
        (
            "out = inputs.network.apply(inputs.target_params, "
            "t.next_obs, inputs.catalogue, select_key)"
        ),
        (f"{T_DQN}::test_which_network_chooses_and_which_judges",),
    ),
    Mutant(
        "double: the online network judges too",
        TARGETS,
        "inputs.target_params, t.next_obs, best_action(out), inputs.catalogue, evaluate_key",
        "inputs.params, t.next_obs, best_action(out), inputs.catalogue, evaluate_key",
        (f"{T_DQN}::test_which_network_chooses_and_which_judges",),
    ),
    Mutant(
        "double: online and target swapped",
        DQN,
        "inputs = TargetInputs(network, values, state.params, state.target_params,",
        "inputs = TargetInputs(network, values, state.target_params, state.params,",
        (f"{T_DQN}::test_after_k_syncs_exactly_k_states_of_a_chain_are_known",),
    ),
    Mutant(
        "no target network",
        DQN,
        "inputs = TargetInputs(network, values, state.params, state.target_params,",
        "inputs = TargetInputs(network, values, state.params, state.params,",
        (f"{T_DQN}::test_after_k_syncs_exactly_k_states_of_a_chain_are_known",),
    ),
    Mutant(
        "the observation before the action is bootstrapped from",
        TARGETS,
        (
            "out = inputs.network.apply(inputs.target_params, "
            "t.next_obs, inputs.catalogue, key)\n    raw"
        ),
        "out = inputs.network.apply(inputs.target_params, t.obs, inputs.catalogue, key)\n    raw",
        (f"{T_TARGETS}::test_equals_the_definition",),
    ),
    Mutant(
        "expected SARSA: greedy weight left at 1",
        POLICIES,
        "(1 - epsilon) * best.astype(q.dtype)",
        "best.astype(q.dtype)",
        ("tests/ops/test_policies.py::test_epsilon_greedy_by_hand",),
    ),
    Mutant(
        "Munchausen: bonus not clipped",
        POLICIES,
        "jnp.clip(temperature * log_policy, lowest, 0.0)",
        "temperature * log_policy",
        ("tests/ops/test_policies.py::test_munchausen_bonus_by_hand",),
    ),
    Mutant(
        "Munchausen: entropy with the wrong sign",
        POLICIES,
        "return -jnp.sum(jnp.where(mask, jnp.exp(log_policy)",
        "return jnp.sum(jnp.where(mask, jnp.exp(log_policy)",
        (f"{T_TARGETS}::test_equals_the_definition",),
    ),
    # the update
    Mutant(
        "gradient through the target",
        VALUES,
        "return jax.lax.stop_gradient(r_t + weighted(discount_t, x))",
        "return r_t + weighted(discount_t, x)",
        (f"{T_VALUES}::test_no_gradient_flows_into_the_target",),
    ),
    Mutant(
        "the next observation is learnt from in place of the present one",
        DQN,
        "bootstrap = jax.lax.stop_gradient(target(inputs, t, target_key))\n",
        (
            "bootstrap = jax.lax.stop_gradient(target(inputs, t, target_key))\n "
            "       t = t._replace(obs=t.next_obs)\n"
        ),
        (f"{T_DQN}::test_no_gradient_flows_through_the_target",),
    ),
    Mutant(
        "importance weights squared",
        DQN,
        "jnp.mean(sample.weights * losses)",
        "jnp.mean(sample.weights**2 * losses)",
        (f"{T_DQN}::test_weights_multiply_losses_before_the_mean",),
    ),
    Mutant(
        "importance weights missing",
        DQN,
        "jnp.mean(sample.weights * losses)",
        "jnp.mean(losses)",
        (f"{T_DQN}::test_weights_multiply_losses_before_the_mean",),
    ),
    Mutant(
        "importance weights after the mean",
        DQN,
        "jnp.mean(sample.weights * losses)",
        "jnp.mean(sample.weights) * jnp.mean(losses)",
        (f"{T_DQN}::test_weights_multiply_losses_before_the_mean",),
    ),
    Mutant(
        "(B, 1) - (B): every target against every value",
        DQN,
        "return jnp.mean(sample.weights * losses), (credited * td,",
        "return jnp.mean(sample.weights[:, None] * losses[None, :] * 0.0"
        " + jnp.square(bootstrap.reward[None, :] - values.mean(raw)[:, None])), (credited * td,",
        (f"{T_DQN}::test_weights_multiply_losses_before_the_mean",),
    ),
    Mutant(
        "sum for mean over the batch",
        DQN,
        "jnp.mean(sample.weights * losses)",
        "jnp.sum(sample.weights * losses)",
        (f"{T_DQN}::test_weights_multiply_losses_before_the_mean",),
    ),
    Mutant(
        "weighted errors go to the priorities",
        DQN,
        "return AgentState(params, state.target_params, opt_state), td, metrics",
        "return AgentState(params, state.target_params, opt_state), sample.weights * td, metrics",
        (f"{T_DQN}::test_weights_multiply_losses_before_the_mean",),
    ),
    Mutant(
        "target never synced",
        DQN,
        "return state._replace(target_params=moved)",
        "return state",
        (f"{T_DQN}::test_after_k_syncs_exactly_k_states_of_a_chain_are_known",),
    ),
    Mutant(
        "tau the wrong way round",
        DQN,
        "optax.incremental_update(state.params, state.target_params, hypers.tau)",
        "optax.incremental_update(state.target_params, state.params, hypers.tau)",
        (f"{T_DQN}::test_polyak_target",),
    ),
    Mutant(
        "gate of bad errors removed",
        DQN,
        "finite = jnp.isfinite(td)\n            #",
        "finite = jnp.ones(td.shape, bool)\n            #",
        (f"{T_DQN}::test_a_bad_reward_is_contained_and_counted",),
    ),
    Mutant(
        "gate of bad gradients removed",
        DQN,
        "sound = jnp.isfinite(norm)",
        "sound = norm == norm",
        (f"{T_DQN}::test_a_gradient_that_is_not_finite_changes_nothing",),
    ),
    Mutant(
        "loss without its half",
        "lrdqn/ops/losses.py",
        "return 0.5 * jnp.square(td)",
        "return jnp.square(td)",
        ("tests/ops/test_losses.py::test_by_hand",),
    ),
    Mutant(
        "max instead of the action taken",
        HEADS,
        "chosen = jnp.arange(raw.shape[1])[None] == action[:, None]",
        "chosen = jnp.arange(raw.shape[1])[None] == jnp.argmax(raw[..., 0], axis=1)[:, None]",
        (f"{T_HEADS}::test_value_is_apply_at_the_action_and_q_is_the_mean",),
    ),
    # heads and values
    Mutant(
        "dueling: mean over actions that are not offered",
        HEADS,
        "held = mask[:, :, None].astype(advantage.dtype)",
        "held = jnp.ones(advantage.shape[:2])[:, :, None]",
        (f"{T_HEADS}::test_candidates_that_are_not_offered_do_not_enter_the_dueling_mean",),
    ),
    Mutant(
        "dueling: mean not subtracted",
        HEADS,
        "return value[:, None] + advantage - mean",
        "return value[:, None] + advantage",
        (f"{T_HEADS}::test_dueling_by_hand",),
    ),
    Mutant(
        "noisy layer: one noise for all rows",
        HEADS,
        "factor(jax.random.normal(k, (rows, n)))",
        "factor(jnp.tile(jax.random.normal(k, (1, n)), (rows, 1)))",
        (f"{T_HEADS}::test_noisy_layer_against_its_definition",),
    ),
    Mutant(
        "noisy layer: noise not factored",
        HEADS,
        "return jnp.sign(noise) * jnp.sqrt(jnp.abs(noise))",
        "return noise",
        (f"{T_HEADS}::test_noisy_layer_against_its_definition",),
    ),
    Mutant(
        "C51: returns beyond the grid not clipped",
        "lrdqn/ops/categorical.py",
        "inside = jnp.where(jnp.isfinite(z_p), jnp.clip(z_p, z_q[0], z_q[-1]), jnp.nan)",
        "inside = jnp.where(jnp.isfinite(z_p), z_p, jnp.nan)",
        ("tests/ops/test_categorical.py::test_equals_the_split_in_loops",),
    ),
    Mutant(
        "C51: nearest atom instead of both neighbours",
        "lrdqn/ops/categorical.py",
        "jnp.maximum(1 - distance, 0.0)",
        "(distance < 0.5)",
        ("tests/ops/test_categorical.py::test_equals_the_split_in_loops",),
    ),
    Mutant(
        "quantiles at i/K instead of midpoints",
        "lrdqn/ops/quantile.py",
        "(2 * np.arange(k) + 1)",
        "(2 * np.arange(k))",
        ("tests/ops/test_quantile.py::test_midpoints_by_hand",),
    ),
    Mutant(
        "quantile loss: sign of the error",
        "lrdqn/ops/quantile.py",
        "(u < 0).astype(u.dtype)",
        "(u > 0).astype(u.dtype)",
        ("tests/ops/test_quantile.py::test_by_hand",),
    ),
    # horizons
    Mutant(
        "gamma instead of gamma^n",
        RETURNS,
        "discount=jnp.where(runs, old.discount * transition.discount, old.discount)",
        "discount=jnp.where(runs, transition.discount, old.discount)",
        (f"{T_RETURNS}::test_n_step_equals_the_walk_forwards",),
    ),
    Mutant(
        "n-step rewards not discounted",
        RETURNS,
        "weighted(jnp.where(runs, old.discount, 0.0), transition.reward)",
        "jnp.where(runs, transition.reward, 0.0)",
        (f"{T_RETURNS}::test_n_step_equals_the_walk_forwards",),
    ),
    Mutant(
        "n-step leaks into the next session",
        RETURNS,
        "OpenTransitions(taken, runs & goes_on), OpenTransitions(transition, goes_on)",
        "OpenTransitions(taken, runs), OpenTransitions(transition, jnp.ones_like(goes_on))",
        (f"{T_RETURNS}::test_a_truncated_entry_takes_nothing_more",),
    ),
    Mutant(
        "lambda-return runs over a boundary",
        RETURNS,
        "ahead = jnp.where(boundary | last, 0.0, trace)",
        "ahead = jnp.where(last, 0.0, trace)",
        (f"{T_RETURNS}::test_lambda_reads_nothing_of_the_next_session",),
    ),
    Mutant(
        "PQN learns the minibatches in one order",
        HORIZON,
        "jax.random.permutation(k, steps * sessions)",
        "jnp.arange(steps * sessions)",
        (f"{T_HORIZON}::test_passes_are_epochs_in_different_orders",),
    ),
)
