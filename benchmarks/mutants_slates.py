"""Classic bugs of slates, the released SlateQ's own among them, and the fast tests that must catch
them."""

from __future__ import annotations

from mutant import Mutant

SLATEQ = "lrdqn/agents/slateq/agent.py"
SLATES = "lrdqn/ops/slates.py"
CHOICES = "lrdqn/agents/slateq/choice_models.py"
FULL = "lrdqn/agents/full_slate/agent.py"
HORIZON = "lrdqn/train/horizon.py"
T_SLATEQ = "tests/agents/test_slateq.py"
T_SLATES = "tests/ops/test_slates.py"
T_FULL = "tests/agents/test_full_slate.py"
PAGES = "lrdqn/networks/slates.py"
T_PAGES = (
    "tests/networks/test_document_scorer.py::test_a_slate_is_scored_on_its_documents_in_their_order"
)
T_HORIZON = "tests/train/test_horizon.py"
LOOPS, PLANNING = (
    f"{T_SLATEQ}::test_targets_are_the_definition_in_loops",
    f"{T_SLATEQ}::test_decomposed_planning_is_full_slate_planning",
)

SLATED = (
    Mutant(
        "RecSim's: the target reads the state that was left",
        SLATEQ,
        "out = learnt.network.apply(learnt.target_params, t.next_obs,",
        "out = learnt.network.apply(learnt.target_params, t.obs,",
        (LOOPS,),
    ),
    Mutant(
        "RecSim's: nothing counts as 0", SLATEQ, "if not own.null_value:", "if True:", (PLANNING,)
    ),
    Mutant(
        "the online network judges its own slate",
        SLATEQ,
        "chooser = learnt.network.apply(learnt.params,",
        "out = chooser = learnt.network.apply(learnt.params,",
        (LOOPS,),
    ),
    Mutant(
        "SARSA bootstraps where the session was cut from nobody's slate",
        SLATEQ,
        "t.next_action.reshape(shown.shape) < 0",
        "t.next_action.reshape(shown.shape) < -9",
        (LOOPS,),
    ),
    Mutant(
        "bootstrap past the end",
        SLATEQ,
        "available_discount(t, out._replace(mask=t.next_obs.mask))",
        "jnp.ones_like(t.reward)",
        (LOOPS,),
    ),
    Mutant(
        "the first place is credited, whatever was taken",
        SLATEQ,
        "t.clicked_place.astype(jnp.int32)[:, None],\n",
        "0 * t.clicked_place.astype(jnp.int32)[:, None],\n",
        (f"{T_SLATEQ}::test_what_was_taken_is_credited_and_nothing_else",),
    ),
    Mutant(
        "what was not taken teaches the released agent too",
        SLATEQ,
        "jnp.ones_like(clicked) if own.null_value else clicked",
        "jnp.ones_like(clicked)",
        (f"{T_SLATEQ}::test_what_was_taken_is_credited_and_nothing_else",),
    ),
    Mutant(
        "the target's slate is filled as the one shown",
        SLATEQ,
        'own.fill if own.target_fill == "same" else own.target_fill',
        "own.fill",
        (f"{T_SLATEQ}::test_the_targets_slate_may_be_filled_in_another_way_than_the_one_shown",),
    ),
    Mutant(
        "exploration item by item is greedy",
        SLATEQ,
        "return as_action(jnp.where(explores, anything, places))",
        "return as_action(places)",
        (f"{T_SLATEQ}::test_exploring_shows_any_slate_and_exploiting_the_best",),
    ),
    Mutant(
        "top-k forgets that nothing has a value",
        SLATES,
        "return best(weights * (values - null_value[:, None]), mask, k)",
        "return best(weights * values, mask, k)",
        (LOOPS,),
    ),
    Mutant(
        "chances without nothing",
        SLATES,
        "v = jnp.concatenate([v, null_weight[:, None]], axis=1)",
        "v = jnp.concatenate([v, 0 * null_weight[:, None]], axis=1)",
        (PLANNING,),
    ),
    Mutant(
        "the choice model is fitted to clicks alone",
        CHOICES,
        (
            "return -jnp.take_along_axis(log_p, clicked_place.astype(jnp.int32)[:, "
            "None], axis=1)[:, 0]"
        ),
        (
            "return -jnp.take_along_axis(log_p, clicked_place.astype(jnp.int32)[:, "
            "None], axis=1)[:, 0] * (clicked_place < slate.shape[1])"
        ),
        (f"{T_SLATEQ}::test_the_choice_models_loss_is_its_log_likelihood",),
    ),
    Mutant(
        "sets are numbered as they lie",
        FULL,
        "ascending = jnp.sort(places, axis=-1)",
        "ascending = places",
        (f"{T_FULL}::test_every_slate_has_its_number",),
    ),
    Mutant(
        "the next action is of the next session",
        HORIZON,
        "jnp.where(absent, -1, rollout.action)",
        "rollout.action",
        (f"{T_HORIZON}::test_what_was_done_next_comes_with_each_transition",),
    ),
    Mutant(
        "every place of a slate reads the first one's weights",
        PAGES,
        "each[:, pages[:, j], j]",
        "each[:, pages[:, j], 0]",
        (T_PAGES,),
    ),
    Mutant(
        "a slate is on offer when one of its places is",
        PAGES,
        "jnp.all(mask[:, pages], axis=2)",
        "jnp.any(mask[:, pages], axis=2)",
        (T_PAGES,),
    ),
    Mutant(
        "a single slate is read backwards",
        PAGES,
        "jnp.asarray(pages)[action])",
        "jnp.asarray(pages)[action][:, ::-1])",
        (T_PAGES,),
    ),
)
