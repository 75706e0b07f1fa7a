"""From the bytes of a file to its rows, in a process of its own that imports nothing else of the service."""
