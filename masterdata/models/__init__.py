"""Master data: what is sold, to whom, at which price, and what was sold and budgeted."""

from masterdata.models.aliases import CustomerAlias, RepAlias, alias_key
from masterdata.models.catalogue import Product, ProductGroup
from masterdata.models.customers import Customer, Delegation
from masterdata.models.facts import Actual, ActualRevision, Budget
from masterdata.models.imports import ImportChange, ImportHeading, ImportProblem, ImportProgress, ImportRun
from masterdata.models.matrix import MatrixEntry, Price
from masterdata.models.succession import CustomerSuccession, ProductSuccession

__all__ = [
    "Actual",
    "ActualRevision",
    "Budget",
    "Customer",
    "CustomerAlias",
    "CustomerSuccession",
    "Delegation",
    "ImportChange",
    "ImportHeading",
    "ImportProblem",
    "ImportProgress",
    "ImportRun",
    "MatrixEntry",
    "Price",
    "Product",
    "ProductGroup",
    "ProductSuccession",
    "RepAlias",
    "alias_key",
]
