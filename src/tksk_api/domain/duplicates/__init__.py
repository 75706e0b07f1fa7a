"""Two records of one person: finding them, deciding about them, merging them and taking it back."""
