"""Reports: tables, learning curves, joined runs of a sweep, and pictures of a world."""
