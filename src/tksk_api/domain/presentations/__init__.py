"""Where an issued letter was shown: the agencies that had it on their desk, and what they did with it."""
