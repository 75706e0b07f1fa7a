"""One key per person: what is kept encrypted of them can be read only as long as it exists."""
