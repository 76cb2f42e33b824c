"""Master data in the admin: one module per family of models."""

from masterdata.admin import catalogue, customers, facts, imports, matrix

__all__ = ["catalogue", "customers", "facts", "imports", "matrix"]
