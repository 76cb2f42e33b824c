"""Workbooks in and out: cells to rows and back. What a value means is decided by the services."""
