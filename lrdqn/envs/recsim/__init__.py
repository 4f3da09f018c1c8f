"""RecSim's three environments (Ie et al. 2019, arXiv 1909.04847) as batches of N users.

``evolution``, ``exploration`` and ``satisfaction`` are the tasks, ``choice`` the choice models,
``draws`` the random numbers of a step, ``env`` the step loop. README.md in this folder is the
specification.
"""
