"""The portal's own PostgreSQL and Valkey, and what runs the whole portal on one machine.

Nothing here imports Django or another part of the portal: it runs before any of them can.
"""
