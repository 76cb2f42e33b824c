"""Writes of master data that are more than saving one row. Each takes a list; one row is a list of one."""

from masterdata.services.assigning import assign_customers, not_a_rep, sales_reps, what_follows

__all__ = ["assign_customers", "not_a_rep", "sales_reps", "what_follows"]
