"""HTTP operations, a few lines each."""
