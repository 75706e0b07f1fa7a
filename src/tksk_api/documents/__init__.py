"""Documents people hold or read: the SKTM letter as PDF and its public verification page."""
