"""The access log as auditors read it, and the seals that show whether somebody changed it."""
