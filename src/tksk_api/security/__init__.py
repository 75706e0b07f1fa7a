"""Who is asking, what they may do, and what is kept secret."""
