"""The live world on one clock that all sessions share (envs/live/README.md, section 10).

``state`` defines the state; ``watch`` plays one tick of a watch, ``decision`` its beginning and its
end, ``audience`` the streamers; ``arrivals`` draws who arrives and when, ``queue`` who is served
first; ``env`` is the step loop. Choice, experience, patience, satisfaction, loyalty, return and
reward are the functions of the decision clock.
"""
