"""The DQN family: target rule, head, loss, replay and horizon are seams of one update."""
