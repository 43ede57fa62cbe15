"""The smallest service that has everything: the kit is tested with it, here and in a process of its own."""
