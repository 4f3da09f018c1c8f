"""What leaves a run and comes back: run folder, checkpoint, table, curve, progress, population folder."""
