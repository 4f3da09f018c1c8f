"""The DQN family: one update whose target rule, head, loss, replay and horizon can be exchanged."""
