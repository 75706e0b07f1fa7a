"""Names as they are written on a person's papers, where they differ from the register."""
