"""The conventions of every operation: problems, conditions, pages, retries."""
