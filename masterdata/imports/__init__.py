"""Master data and facts from files: what a file may hold, how it is checked, written and taken back.

`kinds` declares the columns of each kind; everything else reads that table.
"""
