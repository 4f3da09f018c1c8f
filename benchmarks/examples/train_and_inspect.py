"""Train a small recommender from Python, draw its learning curve, and watch one session.

    python benchmarks/examples/train_and_inspect.py [--small] [--out DIR]

The cells (``# %%``) can be run one by one in an editor that knows them, or all at once.
"""

# %% Imports and sizes
from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import jax
import matplotlib
import numpy as np

import lrdqn

matplotlib.use("Agg")
import matplotlib.pyplot as plt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--small", action="store_true", help="sizes that take seconds")
parser.add_argument("--out", type=Path, default=Path("runs/example"), help="folder of the picture")
arguments, _ = parser.parse_known_args()

SMALL = "train.seeds=2 train.sessions=16 train.env_steps=512 train.warmup_steps=64"
SMALL += " train.update_period=16 train.eval_period=64 agent.target_period=64 evaluate.sessions=8"
SMALL += " replay.capacity=512 replay.batch_size=16 evaluate.cohorts=1 evaluate.resamples=100"
SMALL += " env.streamers=50 env.users=20"
USUAL = "train.seeds=4 train.env_steps=81920 train.eval_period=4096 env.streamers=200 env.users=400"

# %% A configuration, made of the same words as on the command line
# It is checked here: a wrong key or value raises lrdqn.InputError, in one line.
words = (SMALL if arguments.small else USUAL).split()
config = lrdqn.make_config("agent=double_dqn", *words)

# %% Training: a pure function of a random key, a world and hyper-parameters
# vmap runs all seeds side by side, each in a world of its own; jit compiles them as one program.
train = lrdqn.make_train(config)
state, metrics = jax.jit(jax.vmap(train))(*lrdqn.seeds(config))

# %% The learning curve: reward per recommendation while training, exploration included
# Each entry of `metrics` is [seeds, evaluation periods].
steps, reward = np.asarray(metrics["env_steps"])[0], np.asarray(metrics["reward"])
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
axes.plot(steps, reward.T, color="tab:blue", alpha=0.3, linewidth=1)
axes.plot(steps, reward.mean(0), color="tab:blue", linewidth=2, label="mean over seeds")
axes.set(xlabel="environment steps per seed", ylabel="reward per recommendation")
axes.set_title("Training reward of Double DQN on the live world")
axes.legend(frameon=False)
arguments.out.mkdir(parents=True, exist_ok=True)
figure.savefig(arguments.out / "learning_curve.png", dpi=150)
print(f"learning curve: {arguments.out / 'learning_curve.png'}")

# %% Evaluation: the greedy policies and the baselines on the same session starts
evaluation = lrdqn.evaluate(config, state)
print(evaluation)

# %% One session of one user
# An environment holds `train.sessions` sessions that step together; here it holds one.
one = dataclasses.replace(config, train=dataclasses.replace(config.train, sessions=1))
env, world = lrdqn.make_env(one)
policy = lrdqn.make_policy(config, state, seed=0)  # greedy; make_env's world is that of seed 0
step = jax.jit(env.step)

key = jax.random.key(7)
env_state, obs = env.reset(key, world)
print(f"\nuser {int(obs.user[0])}, at most 20 recommendations:")
for number in range(1, 21):
    place = policy.act(obs)  # [1]: a place among the candidates
    room = int(obs.candidates[0, place[0]])
    category = int(np.argmax(policy.catalogue.category[room]))
    offered = int(obs.mask[0].sum())
    key, own = jax.random.split(key)
    env_state, timestep = step(own, env_state, place, world)
    info = {name: float(value[0]) for name, value in timestep.info.items() if value.ndim == 1}
    watched = f"watched {info['seconds']:5.0f} s" if info["clicked"] else "no click"
    print(
        f"{number:3d}. streamer {room:4d} (category {category:2d}), 1 of {offered:2d} on offer: "
        f"{watched:<14} reward {float(timestep.reward[0]):+.2f}"
    )
    if timestep.terminated[0] or timestep.truncated[0]:
        print("the user lost patience" if info["impatient"] else "the user left")
        break
    obs = timestep.obs
