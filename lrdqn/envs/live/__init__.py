"""The live-streaming world, decision clock.

``population`` and ``schedule`` are drawn on the host; ``world`` lays them out as a pytree;
``candidates``, ``choice``, ``engagement``, ``user_dynamics`` and ``reward`` are its laws;
``observation`` is what a policy sees; ``env`` is the loop. README.md beside this file is the
specification.
"""
