"""Reports: the work of a period, compiled, submitted and accepted, and the recaps above them."""
