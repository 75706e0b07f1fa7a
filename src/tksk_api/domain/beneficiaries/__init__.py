"""People the officers help."""
