"""What each region demands of an SKTM."""
