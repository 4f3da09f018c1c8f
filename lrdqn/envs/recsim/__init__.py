"""The reference slate benchmark (RecSim, Ie et al. 2019), N users at once.

``evolution``, ``exploration`` and ``satisfaction`` are its environments, ``choice`` how users
choose, ``draws`` the random numbers of a step, ``env`` the loop.
"""
