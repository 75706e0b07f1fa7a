"""The official rank of families, as the national data said it on a day."""
