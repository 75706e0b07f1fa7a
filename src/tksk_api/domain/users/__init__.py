"""People who sign in, their role and their region."""
