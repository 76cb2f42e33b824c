"""Measurements of the portal as ratios to floors: `make bench`, or `python -m bench save grid`.

A floor does only what cannot be avoided. Both run in one process on one database, in turns; absolute times say little.
"""
