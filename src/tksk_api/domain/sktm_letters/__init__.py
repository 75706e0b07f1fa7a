"""The issued SKTM letter: its content, as stored and printed, and what the public may see of it."""
