"""Who a programme may be for: advice on one person, and counts over a region."""
