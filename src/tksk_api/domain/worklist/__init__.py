"""What is due for whom, computed from what is open."""
