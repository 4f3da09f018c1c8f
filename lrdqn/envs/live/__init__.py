"""The live-streaming world, decision clock.

``population`` (who there is) and ``schedule`` (who is on air) are drawn on the host; ``world`` puts
them on the device; ``candidates``, ``choice``, ``engagement`` and ``viewer`` are its laws;
``observation`` is what may be seen; ``env`` the loop.
"""
