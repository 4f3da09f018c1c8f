"""Running a configuration: ``experiment`` builds its parts, ``compile`` compiles, ``run`` trains,
``evaluate`` judges what was saved; ``resume``, ``checkpoint`` and ``folder`` are what stands on
disk."""
