"""Files of many rows: read, checked, written and taken back, each row's fate told."""
