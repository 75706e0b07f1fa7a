"""Who is the TKSK of which district, from when to when."""
