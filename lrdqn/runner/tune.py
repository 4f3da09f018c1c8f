"""``lrdqn tune``: Optuna proposes a batch of trials, one program trains them side by side, and
their returns go back to the study (extra ``tune``)."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lrdqn.atomic import write_json
from lrdqn.compose.grid import axes_of
from lrdqn.compose.roots import TuneRun
from lrdqn.config import InputError
from lrdqn.evaluation.cohort import per_seed
from lrdqn.evaluation.statistics import bootstrap_mean
from lrdqn.runner.compile import Programs
from lrdqn.runner.devices import to_host
from lrdqn.runner.experiment import CURVE_STREAM, TRAIN_STREAM, Experiment
from lrdqn.runner.folder import (
    STUDY,
    Files,
    check_free,
    held,
    open_run,
    write_environment,
    write_hydra,
    write_resolved,
)
from lrdqn.runner.resume import refuse_changes
from lrdqn.runner.signals import StopRequest

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

TRIALS = "trials.json"
LOG_RATIO = 10.0
"""A range of positive values whose ends are further apart is searched on a log scale."""


def tune_in(
    where: Path, config: TuneRun, files: Files, say: Callable[[str], None]
) -> list[dict[str, Any]] | None:
    """Search in a folder, continuing its study where ``config.resume`` allows it.

    Args:
        where: the folder of the study.
        config: frozen.
        files: texts to keep beside the results.
        say: prints one line.

    Returns:
        Finished trials, best first, as written to ``trials.json``; ``None`` where the search was
        asked to stop.

    Raises:
        InputError: the folder holds a study and ``resume`` is off, or the study had another
            configuration.
    """
    with StopRequest() as stop, held(folder := open_run(where)):
        if (folder / STUDY).exists():
            if config.resume is None:
                raise InputError(
                    f"{folder}: holds a study already; resume=auto "
                    "goes on with it, or choose another folder"
                )
            refuse_changes(folder, config, TuneRun)
        else:
            check_free(folder)
        write_environment(folder)
        write_resolved(folder, files.resolved)
        write_hydra(folder, files.hydra)
        study = open_study(folder / STUDY, config)
        if finished(study) < config.tune.trials:
            search(study, config, stop, say)
        rows = trial_rows(study)
        write_json(folder / TRIALS, rows)
        return rows if finished(study) >= config.tune.trials else None


def search(study: Study, config: TuneRun, stop: StopRequest, say: Callable[[str], None]) -> None:
    """Train batch after batch with one compiled program, until the trials are done or a stop is
    requested."""
    batch, space = config.tune.batch, axes_of(config.tune.space)
    with closing(
        Experiment(config, points=[{key: low for key, (low, _) in space.items()}] * batch)
    ) as e:
        train_trials(e, study, config, stop, say)


def train_trials(
    e: Experiment, study: Study, config: TuneRun, stop: StopRequest, say: Callable[[str], None]
) -> None:
    """Train the batches of ``search``."""
    batch = config.tune.batch
    e.refuse_too_large()
    say(e.memory.line())
    programs = e.compile()
    say(
        f"compiled in {e.compile_seconds:.0f} s; {config.tune.trials - finished(study)} "
        f"trials to go, {batch} at a time"
    )
    while finished(study) < config.tune.trials and not stop.asked:
        trials = [study.ask() for _ in range(batch)]
        e.set_points([suggest(trial, config) for trial in trials])
        values = train_batch(e, programs, stop)
        if values is None:
            return
        for trial, per in zip(trials, values, strict=True):
            trial.set_user_attr("per_seed", per)
            study.tell(trial, sum(per) / len(per))
        best = study.best_trial
        say(
            f"{finished(study)}/{config.tune.trials} trials; best "
            f"{best.value:.4g} at {arguments_of(best.params)}"
        )


def open_study(path: Path, config: TuneRun) -> Study:
    """Return the study of a SQLite file. Trials that a killed search left running are queued again,
    first."""
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = f"sqlite:///{path}"
    study = optuna.create_study(
        study_name="lrdqn", storage=storage, direction="maximize", load_if_exists=True
    )
    # a resumed search must not draw the same first trials again
    study.sampler = optuna.samplers.TPESampler(
        seed=config.train.seed + finished(study), constant_liar=True
    )
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)
    return study


def finished(study: Study) -> int:
    """Return the number of trials that have a value."""
    from optuna.trial import TrialState

    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def suggest(trial: Trial, config: TuneRun) -> dict[str, float]:
    """Return a point of the space."""
    return {
        key: trial.suggest_float(key, low, high, log=low > 0 and high / low >= LOG_RATIO)
        for key, (low, high) in axes_of(config.tune.space).items()
    }


def train_batch(e: Experiment, programs: Programs, stop: StopRequest) -> list[list[float]] | None:
    """Train every trial of a batch; return per trial the final return of each seed, or ``None``
    where a stop was requested."""
    state = programs.start(e.keys(TRAIN_STREAM), e.worlds, e.hypers)
    for number in range(e.plan.chunks):
        state, metrics = programs.chunk(state, e.worlds, e.hypers, e.clock(number))
        to_host(metrics)
        if stop.asked:
            return None
    outcome = to_host(
        programs.evaluate(e.agent.policy_params(state.agent), e.worlds, e.keys(CURVE_STREAM))
    )
    returns = per_seed(outcome)["return"][:, : len(e.learners)]
    return [[x if math.isfinite(x) else -math.inf for x in column] for column in returns.T.tolist()]


def trial_rows(study: Study) -> list[dict[str, Any]]:
    """Return the finished trials, best first: number, point, mean return with its interval over
    seeds, returns of all seeds."""
    from optuna.trial import TrialState

    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    rows = []
    for trial in sorted(done, key=lambda t: -cast(float, t.value)):
        per = trial.user_attrs["per_seed"]
        interval = bootstrap_mean(per, 10_000)
        entry = {
            "mean": interval.mean,
            "ci_low": interval.low,
            "ci_high": interval.high,
            "per_seed": per,
        }
        rows.append({"trial": trial.number, "point": trial.params, "return": entry})
    return rows


def arguments_of(point: dict[str, float]) -> str:
    """Return a point as command-line arguments."""
    return " ".join(f"{key}={value:.6g}" for key, value in point.items())
