"""Engine, sessions, row scope and tables."""
