"""What changed, which steps were taken, and who looked: the append-only records."""
