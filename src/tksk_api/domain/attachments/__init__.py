"""Photos and papers: looked into, made harmless, sealed, and given out again by short-lived links."""
