"""SlateQ: the value of a slate decomposed into values of its items."""
