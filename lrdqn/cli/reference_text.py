"""Hand-written text of ``conf/README.md``; ``reference.py`` adds the tables of choices and keys.

A command in backquotes at the start of a line, with an indented explanation below it, becomes a row
of a table.
"""

TEXT = r"""
# Commands, choices and keys

This file is generated: `python -m lrdqn.cli.reference > conf/README.md`.

`lrdqn COMMAND [KEY=VALUE ...]` with the commands [train](#lrdqn-train), [tune](#lrdqn-tune),
[evaluate](#lrdqn-evaluate), [calibrate](#lrdqn-calibrate) and [report](#lrdqn-report).
`python -m lrdqn` is the same as `lrdqn`. There are two kinds of words:

- `GROUP=NAME` chooses a file of `conf/GROUP/`, for example `agent=rainbow`
  ([choices by name](#choices-by-name));
- `KEY=VALUE` sets one value, for example `agent.gamma=0.95` ([keys](#keys)).

`lrdqn COMMAND --help` lists both, for the agent and the environment that are chosen beside it;
`lrdqn COMMAND --cfg job` prints the whole configuration. The configurations are composed by
[Hydra](https://hydra.cc), so its syntax applies: lists are `[a,b]`, a value with spaces is quoted,
and `-m` runs every combination of comma-separated values.

Mistakes are answered in one line with exit code 2, before anything is compiled or written:

```console
$ lrdqn train agent.gama=0.9
lrdqn: agent.gama=0.9: unknown key; did you mean agent.gamma?
$ lrdqn train agent.target_period=1000
lrdqn: agent.target_period=1000: must be a multiple of train.sessions=128; the nearest is 896 or 1024
```

The environment variable `LRDQN_OVERRIDES` holds words that are appended to those of every
`lrdqn train`, `lrdqn tune` and `lrdqn.make_config`. Of one key the last word counts, so they win;
the run folder records them like words that were typed.

## `lrdqn train`

Trains a recommender and the baselines on one world, prints the table that compares them, and leaves
a run folder, `runs/train/<time>/` unless `hydra.run.dir` names another.

```bash
lrdqn train hydra.run.dir=runs/first
lrdqn train resume=runs/first train.env_steps=327680
lrdqn report run=runs/first
lrdqn evaluate run=runs/first references=true
```

The run folder holds `summary.json` (every policy, metric and seed), `metrics.jsonl` (a row per seed,
learner and evaluation; with `pip install 'lrdqn[plot]'` also `metrics.parquet` and
`learning_curve.png`), `checkpoints/`, `resolved.yaml` (the whole configuration), `env.json`
(versions and machine) and `.hydra/`.

### Agents, networks and replay

`lrdqn train`
    Double DQN with prioritised replay on the live world, beside its γ = 0 twin and three
    baselines.
`lrdqn train agent=rainbow`
    Another agent by its name.
`lrdqn train agent=dqn replay=uniform agent.gamma=0.95`
    Choose parts by name and set values by key.
`lrdqn train agent=c51 agent.target=munchausen network.head=dueling replay=rank history=gru`
    Parts combine freely. A pair that cannot work is refused by name.
`lrdqn train agent=q_learning env=garnet`
    Tabular agents (`q_learning`, `double_q_learning`, `value_iteration`) on random MDPs.
`lrdqn train env.slate=3 agent=slateq`
    Slates of three. Also `slateq_sarsa`, `slateq_release` and `full_slate`; `agent.slate.fill`
    chooses the slate optimiser, `agent.slate.choice` the choice model that the agent assumes.

### The live world

`lrdqn train env.obs=full`
    Policies observe the hidden state too (`observable` is the default, `noisy` adds noise).
`lrdqn train env.choice_model=pbm env.slate=3 agent=slateq`
    Another model of how users choose from a slate.
`lrdqn train env.popular=3 env.fresh=2 env.similar=3`
    Reserve candidate places for popular, recently opened and similar rooms.
`lrdqn train reward=watch_only`
    Other weights of the reward; `env.reward.*` sets each.
`lrdqn train env.drift=recsim env.reward.delay=end env.new_streamers=0.05 env.new_users=0.3`
    How interests drift, when follows and gifts are paid, and how many new streamers and users
    there are.
`lrdqn train env.episode=user`
    An episode is a user's sequence of sessions, instead of one session.
`lrdqn train env.clock=tick`
    One clock of 30-second ticks for all sessions: they cause the audience, crowding, highlights
    and gifts of the rooms, and rooms without viewers close. A step is a tick; replay stores
    whole decisions. Keys: `env.tick.*`.
`lrdqn train content=multimodal`
    Policies observe noisy, partly missing text, image and audio views of streamers instead of
    their style vectors (`env.content_views.*`).
`lrdqn train content=embeddings env.embeddings=FILE.npy`
    Policies observe one row of your file (`.npy`, `.npz`) per streamer;
    `env.embedding_ids=FILE.npy` gives each streamer's row, −1 for none.
`lrdqn train env.live_signals=true`
    Policies also observe recent reactions and the sound of the room half a minute ago.
`lrdqn train perturbation=clickbait`
    Train in a perturbed world.
`lrdqn train env.population=POP $(cat POP.overrides)`
    A population fitted to a log by `lrdqn calibrate`.

### Other environments

`lrdqn train env=recsim`
    RecSim's interest evolution, interest exploration and long-term satisfaction (`env.task`),
    played by SlateQ. `env.memory=[1]` adds sums of the session's responses to the observation.
`lrdqn train env=gymnax env.name=CartPole-v1`
    Any game of gymnax with numbered actions (`pip install 'lrdqn[games]'`). `env.store=bool`
    keeps MinAtar's images in a quarter of the bytes; `network=cnn` reads them.
`lrdqn train env=gymnasium env.name=CartPole-v1`
    Any Gymnasium environment with Discrete actions and Box or Discrete observations, stepped
    outside jit (`pip install 'lrdqn[gym]'`).
`lrdqn train env=probe`
    Tiny environments that fail for one reason each.
`lrdqn train experiment=cartpole`
    A task with the settings of its paper.
`lrdqn train experiment=highway_fast`
    DQN on `highway-fast-v0`, beside a random and an idle driver (`pip install
    'lrdqn[driving]'`).
`lrdqn train env=bandit network=mlp agent=plain_q env.arms=5`
    Environments and agents of installed packages, by the names of their entry points
    (`lrdqn.envs`, `lrdqn.agents`).

### Grids, sweeps, clusters

`lrdqn train grid.agent.learning_rate=[1e-3,3e-3] grid.agent.gamma=[0.8,0.9]`
    All combinations side by side in one program; rows and tables state the values. The point
    with the best return on the learning curve's sessions is compared with the baselines, on
    other sessions.
`lrdqn train -m agent=dqn,double_dqn replay=uniform,prioritized`
    A sweep over parts: one run folder per combination below `multirun/`.
`lrdqn train sweep=family`
    A ready sweep.
`lrdqn train hydra.run.dir=DIR resume=auto`
    Continue the run in DIR, or start one there: for job scripts on a cluster.
`lrdqn train -m hydra/launcher=submitit_slurm resume=auto hydra.sweep.dir=DIR agent=dqn,double_dqn`
    The jobs of a sweep through Slurm; requeued jobs continue (`pip install 'lrdqn[slurm]'`;
    `submitit_local` works without a cluster).
`lrdqn train hydra.run.dir=DIR runtime.coordinator=HOST:PORT runtime.processes=2 runtime.process_id=0`
    One run shared by several processes: start it in each with its own `process_id` and the same
    DIR. `runtime.coordinator=auto` asks Slurm, MPI or a TPU pod. Process 0 writes.

### Stop, resume, debug, log

`lrdqn train resume=runs/train/<time>`
    Continue a run that was stopped or killed, exactly; with `train.env_steps=327680` extend a
    finished one.
`lrdqn train logger=[tensorboard,wandb]`
    Log there too (extras of the same names; W&B stays offline unless
    `logger.wandb.mode=online`).
`lrdqn train debug=fast`
    Run every part once at the smallest size. `debug=nan`, `checkify` and `profile` find
    mistakes.
`lrdqn train runtime=gpu`
    Choose the kind of device; `runtime.devices` and `runtime.threads` limit what is used.

- A checkpoint holds the whole training state: parameters, target network, optimiser, replay with
  priorities, sessions, random keys, and a digest of the worlds. SIGTERM and Ctrl-C save at the next
  chunk boundary and exit with 0.
- A resumed run refuses a different configuration and names the keys that differ; steps, logger,
  checkpoints, devices and debug mode may change. It also refuses other worlds: population folders and
  embedding files are not copied into the run folder and must stay unchanged.
- With `checkpoint.replay=false` checkpoints are small; a resumed run then refills replay and says that
  it is not exact. It says the same where the devices, the version of jax or the debug mode differ.
- A damaged or unfinished checkpoint is set aside for the one before it.
- Memory is planned from shapes before anything compiles (`memory: ...` is the first line of a run). A
  run that cannot fit is refused, with the key to lower.
- What is not finite is counted in `summary.json`, from the first step of warm-up on: rewards
  (`nonfinite_rewards`) and observations of other packages' environments (`nonfinite_observations`)
  are stored as 0; TD errors and gradients (`nonfinite`) change neither parameters nor priorities; in
  an evaluation, rewards and observations count as 0 (`nonfinite_evaluation`, by policy).
  `debug=nan` stops at the first one and names value, seed, learner, step and line of code.

## `lrdqn tune`

Searches float hyper-parameters with Optuna (`pip install 'lrdqn[tune]'`). The trials of a batch train
side by side in one program. It ends with the best trials and the command that trains the best one;
all trials are in `trials.json` of the run folder.

```bash
lrdqn tune hydra.run.dir=runs/search tune.trials=16
lrdqn tune resume=runs/search tune.trials=24
```

`lrdqn tune`
    Search learning rate and discount of the default run.
`lrdqn tune agent=rainbow tune.space.agent.gamma=[0.5,0.99] tune.space.replay.alpha=[0.2,0.9]`
    Search other hyper-parameters: `tune.space.KEY=[low,high]`, `null` takes one out.
`lrdqn tune resume=DIR`
    Continue a search.

## `lrdqn evaluate`

Evaluates the saved policy of a run and the baselines on the session starts of the run's own table.
It leaves the run folder as it is. Below the table it shows return by what is known of a user (0–9,
10–49, 50 and more watches) and the share of impressions of new streamers.

`lrdqn evaluate run=PATH`
    Repeat the run's table.
`lrdqn evaluate run=PATH seed=7`
    Draw fresh session starts.
`lrdqn evaluate run=PATH references=true`
    Add exploiters (one place, one category, one streamer, always repeat, one linear weighting,
    the best static ranking) and privileged policies, which observe the hidden state.
`lrdqn evaluate run=PATH perturbation=clickbait`
    In a world that has changed since training.
`lrdqn evaluate run=PATH population=POP`
    On another population of the same widths.

## `lrdqn calibrate`

Compares the live world with published metrics, or fits a population to a log of yours
([calibration/README.md](../lrdqn/calibration/README.md)). A fit writes the population folder and,
beside it, a file of overrides with the fitted constants.

```bash
lrdqn calibrate
lrdqn calibrate source=movielens path=ml-latest-small out=populations/movielens
lrdqn train env.population=populations/movielens $(cat populations/movielens.overrides)
```

`lrdqn calibrate check=true`
    Exit with 1 where a metric lies outside its tolerance.
`lrdqn calibrate fit=true`
    First fit the constants of clicking, staying, reacting and returning to the published
    metrics.
`lrdqn calibrate source=movielens path=DIR out=POP`
    Fit a population and these constants to a MovieLens log (`pip install 'lrdqn[calibrate]'`).
    `env.*` words are used in the fit and kept in `POP.overrides`; `fit=false` leaves the
    constants.
`lrdqn calibrate source=kuailive path=DIR out=POP streamers=5000 users=5000`
    The same from a KuaiLive folder ([zenodo
    16565801](https://doi.org/10.5281/zenodo.16565801)), whose own metrics are printed beside
    the published ones.
`lrdqn calibrate source=kuairand path=DIR out=POP`
    The same from KuaiRand ([zenodo 10439422](https://doi.org/10.5281/zenodo.10439422)), videos
    standing for streamers: from its logs, or from side tables and rates alone.

## `lrdqn report`

Prints the table and draws the learning curve of a run folder, or joins the runs of a sweep into one
table. `world=` looks at a live world instead (`default`, or a run folder for the run's own).

`lrdqn report run=PATH`
    Table and curve of a run, or one table for a sweep.
`lrdqn report world=default out=DIR`
    Pictures of a live world beside published metrics, and of one session (`pip install
    'lrdqn[plot]'`).
`lrdqn report world=default env.clock=tick sessions=1024 ticks=2880`
    The streamers under each baseline in a day of the tick clock: audience and exposure Gini,
    new streamers, rooms without viewers, streamers who gave up.
"""  # noqa: E501  commands stay on one line

GROUPS = """
A name stands for a file of `conf/GROUP/`. A preset may set keys of other groups too
(`agent=dueling` sets `network.head`). `lrdqn train` reads all groups, `tune` all but `logger` and
`sweep`, `calibrate` reads `env`, `content`, `reward`, `perturbation` and `runtime`, `evaluate`
reads `perturbation` and `runtime`, `report` none.

`conf/settings/` is no group to choose from: `env=ENV agent=AGENT` also loads
`settings/ENV_AGENT.yaml` where there is one. With `env=live` the agents of the DQN family share
`settings/live.yaml` (step size, discount, target network, exploration); on other environments they
have the settings of the schema. Keys on the command line stand above all of them.
"""

SECTIONS = {
    "keys": """
Defaults are those of the schemas; the YAML files of the chosen names set others on top, and
`lrdqn train --help` shows the result. Steps are environment steps per seed. Of an agent or an
environment only its own keys are listed.

Keys to know first: `agent.gamma`, `agent.learning_rate`, `agent.target_period`, `replay.capacity`,
`replay.batch_size`, `train.seeds`, `train.sessions`, `train.env_steps` (per seed, after warm-up),
`train.update_period`, `env.population`, `runtime.devices`, and Hydra's own `hydra.run.dir` (the run
folder) and `hydra.sweep.dir` (the folder of a sweep).
""",
    "tune": """
Those of `lrdqn train`, with `train.myopic=false`; `tune.space.*` with the keys of `grid.*`, each
`[low,high]` or `null`; and:
""",
    "evaluate": "`runtime.*` and `env.perturb.*` as above, and:",
    "calibrate": "`runtime.*` and `env.*` of `env=live` as above, and:",
    "report": "It shares no key with `lrdqn train`.",
}
