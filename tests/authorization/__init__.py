"""Who may do what with which row: the matrix, the lists, the two walls."""
