"""The four servers that are compared. Only `tksk` is ours; the others do the same work in the usual ways."""
