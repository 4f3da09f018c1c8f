"""Another package's Gymnasium environment, registered when the module is loaded."""

import gymnasium

gymnasium.register(id="TheirCartPole-v0", entry_point="gymnasium.envs.classic_control:CartPoleEnv")
