"""From the words of a command line to a frozen configuration: compose, check each value, check
combinations."""
