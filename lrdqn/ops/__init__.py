"""Small pure functions with a source each: targets, losses, exploration, schedules, the sum tree.

Numeric rules (``targets``, ``losses``, ``exploration``) are written for one example; callers
``vmap`` them.
"""
