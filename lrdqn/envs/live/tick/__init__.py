"""The live world on one clock that all sessions share (SIMULATOR, "Two clocks").

``state`` is what there is; ``watch`` plays a watch tick by tick, ``decision`` its two ends,
``audience`` the streamers; ``arrivals`` says who comes and when, ``line`` who is served first;
``env`` is the loop. Choice, experience, patience, satisfaction, loyalty, return and reward are the
decision clock's functions.
"""
