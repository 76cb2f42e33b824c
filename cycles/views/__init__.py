"""Pages of cycles: all of them, one of them, its form while it is a draft, its moves, and requests for more time."""
