"""What every operation of the JSON API shares: how it reads and writes JSON, refuses, pages, counts and repeats.

Each app keeps its operations in an `api` package of its own; these modules know nothing of what they are about.
"""
