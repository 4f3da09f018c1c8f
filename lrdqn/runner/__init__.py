"""Execution of a configuration: ``experiment`` builds its parts, ``compile`` compiles them,
``run`` trains, ``evaluate`` evaluates a saved policy; ``folder``, ``checkpoint`` and ``resume``
read and write the run folder."""
