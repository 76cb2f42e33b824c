"""What can be imported: one table of columns per kind.

Templates, error workbooks, exports and the import itself read these tables, so what goes out comes in again. Headings
are compared without case, spaces, underscores, punctuation and line ends; lengths, places and limits are the model's.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from django.core.validators import MaxValueValidator
from django.db import models

from masterdata.models import Actual, Budget, Customer, MatrixEntry, Price, Product, ProductGroup
from masterdata.models.imports import ImportRun
from sop_portal.accounts.models import User
from sop_portal.lib.risk import RISK_CLASSES

# code: compared as it is written. text: one line. note: several lines. quantity, money, price: decimal numbers.
# whole: a number without decimals. period: a month. date: a day. yes_no. choice: one of `choices`, its value or its
# words. choices: several of them. email. person: an e-mail address, username or employee ID of a user.
Type = Literal[
    "code", "text", "note", "quantity", "money", "price", "whole", "period", "date", "yes_no", "choice", "choices",
    "email", "person",
]  # fmt: skip
NUMBERS = ("quantity", "money", "price", "whole")

IMPORT = "masterdata.import_data"
# What a workbook may hold below its headings. Facts come as CSV of any length beyond that.
FEW, MANY = 20_000, 300_000


def heading_key(text: str) -> str:
    """The form in which headings are compared: letters and digits only, case and width ignored.

    >>> heading_key("ITEM\\n CODE"), heading_key("item_code"), heading_key("Customer S&OP")
    ('itemcode', 'itemcode', 'customersop')
    """
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a kind.

    name: how code calls it, a field of the model where there is one. required: the heading must be in the file.
    blank: a required column whose cells may be empty. signed: a number may be below zero. limit: numbers must be below
    it. choices: (value, words) pairs.
    """

    name: str
    heading: str
    type: Type
    help: str
    example: str = ""
    aliases: tuple[str, ...] = ()
    required: bool = False
    blank: bool = False
    signed: bool = False
    max_length: int | None = None
    places: int | None = None
    limit: Decimal | None = None
    choices: tuple[tuple[str, str], ...] = ()

    @property
    def keys(self) -> set[str]:
        """The headings that mean this column, as they are compared."""
        return {heading_key(text) for text in (self.heading, self.name, *self.aliases)}

    @property
    def must_be_filled(self) -> bool:
        """Whether a row without a value here is refused."""
        return self.required and not self.blank


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file. `key` columns together name a row; `rows` is the most that a workbook may hold, `csv_rows` the
    most of a CSV file (None: any number); `sums` says whether rows with the same key may be added up."""

    key: str
    title: str
    row_words: str
    columns: tuple[Column, ...]
    key_columns: tuple[str, ...]
    rows: int
    csv_rows: int | None
    sums: bool = False
    permission: str = IMPORT

    def column(self, name: str) -> Column:
        """The column called `name`. Raises KeyError."""
        return self.by_name[name]

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def by_heading(self) -> Mapping[str, Column]:
        """Columns by each of their headings as these are compared."""
        return {key: column for column in self.columns for key in column.keys}

    @property
    def required(self) -> list[Column]:
        return [column for column in self.columns if column.required]


def _of(model: type[models.Model], name: str, heading: str, type: Type, help: str, **more: Any) -> Column:
    """A column whose value ends in the field `name` of `model`, with that field's length, places and limit."""
    field: Any = model._meta.get_field(name)
    column = Column(name=name, heading=heading, type=type, help=help, **more)
    if isinstance(field, models.DecimalField):
        limit = Decimal(10) ** (field.max_digits - field.decimal_places)
        bounds = [rule.limit_value for rule in field.validators if isinstance(rule, MaxValueValidator)]
        step = Decimal(1).scaleb(-field.decimal_places)
        return replace(
            column, places=field.decimal_places, limit=min([limit, *(Decimal(bound) + step for bound in bounds)])
        )
    if isinstance(field, models.PositiveSmallIntegerField) and not column.choices:
        return replace(column, places=0, limit=Decimal(32_768))
    if isinstance(field, models.TextField):
        return replace(column, max_length=2_000)
    return replace(column, max_length=getattr(field, "max_length", None))


def _customer(help: str = "The ID of a customer that is already there.") -> Column:
    return _of(
        Customer, "customer_id", "Customer ID", "code", help, required=True, example="C0001",
        aliases=("Customer No", "Customer Number", "Customer Code", "Cust ID", "Account Number"),
    )  # fmt: skip


def _item(help: str = "The code of a product that is already there.", *, blank: bool = False) -> Column:
    return _of(
        Product, "item_code", "Item Code", "code", help, required=True, blank=blank, example="110001",
        aliases=("Item", "Item No", "Item Number", "Product Code", "SKU", "Material"),
    )  # fmt: skip


def _period(model: type[models.Model]) -> Column:
    return _of(
        model, "period", "Period", "period", "The month: a date in it, 2027-01 or Jan 2027.", required=True,
        example="2027-01", aliases=("Month", "Year Month", "Posting Period"),
    )  # fmt: skip


def _active(model: type[models.Model]) -> Column:
    return _of(model, "is_active", "Active", "yes_no", "Yes or No.", example="Yes", aliases=("Is Active", "Enabled"))


CUSTOMERS = Kind(
    key=ImportRun.Kind.CUSTOMERS,
    title="Customers",
    row_words="customers",
    key_columns=("customer_id",),
    rows=FEW,
    csv_rows=FEW,
    columns=(
        _customer("The code by which the customer is known everywhere; a new one creates a customer."),
        _of(Customer, "name", "Customer Name", "text", "The full name.", required=True, example="Elm Supply, Inc.",
            aliases=("Name",)),
        _of(Customer, "short_name", "Short Name", "text", "The name on S&OP reports; the full name when blank.",
            example="Elm Supply", aliases=("Customer S&OP", "S&OP Name", "Customer Short Name")),
        _of(Customer, "sales_rep", "Sales Rep", "person",
            "Who serves the customer: e-mail address, username or employee ID of an active sales rep.",
            example="rep1@example.com", aliases=("Rep", "Sales Representative", "Salesperson", "Sales Rep Email")),
        _of(Customer, "region", "Region", "text", "Any text.", example="Southeast"),
        _of(Customer, "territory", "Territory", "text", "Any text.", example="Florida"),
        _of(Customer, "corporate_group", "Corporate Group", "text", "Any text.", aliases=("Group",)),
        _of(Customer, "contact_person", "Contact Person", "text", "Who is called.", aliases=("Contact", "Contact Name")),
        _of(Customer, "contact_email", "Contact Email", "email", "An e-mail address.", example="orders@example.com",
            aliases=("Email", "E-mail")),
        _of(Customer, "contact_phone", "Contact Phone", "text", "A telephone number.", aliases=("Phone", "Telephone")),
        _of(Customer, "payment_terms", "Payment Terms", "text", "Any text.", example="30 days net", aliases=("Terms",)),
        _of(Customer, "credit_limit", "Credit Limit", "money", "A number, 0 or more.", example="50000"),
        _of(Customer, "address", "Address", "text", "Street and number.", aliases=("Street",)),
        _of(Customer, "city", "City", "text", "Any text."),
        _of(Customer, "state", "State", "text", "Any text.", aliases=("Province",)),
        _of(Customer, "postal_code", "Postal Code", "text", "Any text; format the column as text to keep zeros.",
            aliases=("ZIP", "ZIP Code", "Postcode")),
        _of(Customer, "country", "Country", "text", "Any text."),
        _of(Customer, "default_risk_class", "Default Risk Class", "choice",
            "How sure this customer's lines are at first.", example="Plan",
            aliases=("Risk Class", "Risk"), choices=tuple((str(value), words) for value, words in RISK_CLASSES)),
        _of(Customer, "is_prospect", "Prospect", "yes_no", "Yes while the real ID is not known.", example="No",
            aliases=("Is Prospect",)),
        _of(Customer, "replaced_by", "Replaced By", "code", "The ID of the customer that took this one's place."),
        _of(Customer, "notes", "Notes", "note", "At most 2,000 characters."),
        _active(Customer),
    ),
)  # fmt: skip

PRODUCTS = Kind(
    key=ImportRun.Kind.PRODUCTS,
    title="Products",
    row_words="products",
    key_columns=("item_code",),
    rows=FEW,
    csv_rows=FEW,
    columns=(
        _item("The code by which the product is known everywhere; a new one creates a product."),
        _of(Product, "description", "Description", "text", "The full name.", required=True, example="Peeled garlic 4x5",
            aliases=("Item Description", "Product Name", "Product Description")),
        replace(
            _of(ProductGroup, "code", "Group Code", "code", "The product group; a new code creates a group.",
                required=True, example="G01", aliases=("Group", "Product Group", "Product Group Code")),
            name="group_code",
        ),
        replace(
            _of(ProductGroup, "name", "Group Name", "text", "The name of the group.", example="Garlic",
                aliases=("Product Group Name",)),
            name="group_name",
        ),
        replace(
            _of(ProductGroup, "code", "Parent Group Code", "code",
                "The group above the group; groups have two levels.", aliases=("Parent Group",)),
            name="parent_group_code",
        ),
        replace(
            _of(ProductGroup, "name", "Parent Group Name", "text", "The name of the group above."),
            name="parent_group_name",
        ),
        _of(Product, "uom", "Unit of Measure", "text", "What one unit is called.", required=True, example="CS",
            aliases=("UoM", "Unit", "U/M")),
        _of(Product, "manufacturing_location", "Manufacturing Location", "text", "Any text.",
            aliases=("Plant", "Location")),
        _of(Product, "production_line", "Production Line", "text", "Any text.", aliases=("Line",)),
        _of(Product, "pack_size", "Pack Size", "text", "Any text.", example="4x5 lb", aliases=("Pack",)),
        _of(Product, "weight", "Weight", "quantity", "Of one unit, in kg.", example="9.07",
            aliases=("Weight kg", "Unit Weight")),
        _of(Product, "list_price", "List Price", "price", "A number, 0 or more.", example="52.50"),
        _of(Product, "cost_price", "Cost Price", "price", "A number, 0 or more.", example="31.20",
            aliases=("Cost", "Unit Cost", "Standard Cost")),
        _of(Product, "replaced_by", "Replaced By", "code", "The item code of the product that took this one's place."),
        _active(Product),
    ),
)  # fmt: skip

MATRIX = Kind(
    key=ImportRun.Kind.MATRIX,
    title="Pricing matrix",
    row_words="matrix entries",
    key_columns=("customer_id", "item_code", "valid_from"),
    rows=MANY,
    csv_rows=None,
    columns=(
        _customer(),
        _item(),
        _of(Price, "unit_price", "Unit Price", "price", "The price of one unit; blank leaves the prices as they are.",
            example="52.50", aliases=("Price",)),
        _of(Price, "valid_from", "Valid From", "date",
            "The day from which the price holds; this month when blank. Several rows of one pair may hold several "
            "prices.", example="2027-01-01", aliases=("From", "Price From", "Effective Date", "Effective From")),
        _active(MatrixEntry),
        _of(MatrixEntry, "minimum_order_quantity", "Minimum Order Quantity", "quantity", "A number, 0 or more.",
            example="10", aliases=("MOQ", "Min Order Qty", "Minimum Quantity", "Min Quantity")),
        _of(MatrixEntry, "maximum_order_quantity", "Maximum Order Quantity", "quantity", "Not below the minimum.",
            aliases=("Max Order Qty", "Maximum Quantity", "Max Quantity", "Max")),
        _of(MatrixEntry, "lead_time_days", "Lead Time Days", "whole", "A whole number of days.", example="14",
            aliases=("Lead Time", "Lead Time (Days)")),
        _of(MatrixEntry, "proposed_by", "Proposed By", "person",
            "The rep who proposed the entry; blank once an admin has accepted it."),
        _of(MatrixEntry, "notes", "Notes", "note", "At most 2,000 characters."),
    ),
)  # fmt: skip

ACTUALS = Kind(
    key=ImportRun.Kind.ACTUALS,
    title="Actuals",
    row_words="actuals",
    key_columns=("customer_id", "item_code", "period"),
    rows=MANY,
    csv_rows=None,
    sums=True,
    columns=(
        _customer(),
        _item(),
        _period(Actual),
        _of(Actual, "quantity", "Quantity", "quantity", "What was sold, in the product's unit; below 0 for credits.",
            required=True, signed=True, example="1250", aliases=("Qty", "Volume", "Units", "Cases")),
        _of(Actual, "amount", "Amount", "money", "What it was sold for; below 0 for credits.", required=True,
            signed=True, example="65625.00", aliases=("Sales", "Net Sales", "Sales Amount", "Revenue", "Value")),
        _of(Actual, "cost", "Cost", "money", "What it cost.", signed=True, example="39000.00",
            aliases=("COGS", "Cost Amount", "Total Cost")),
    ),
)  # fmt: skip

BUDGET = Kind(
    key=ImportRun.Kind.BUDGET,
    title="Budget",
    row_words="budget rows",
    key_columns=("version", "customer_id", "item_code", "period"),
    rows=MANY,
    csv_rows=None,
    sums=True,
    columns=(
        _of(Budget, "version", "Version", "code", "The name of the budget.", required=True, example="2027",
            aliases=("Budget Version", "Budget")),
        _customer(),
        _item("The code of a product that is already there; blank for the customer as a whole.", blank=True),
        _period(Budget),
        _of(Budget, "quantity", "Quantity", "quantity", "In the product's unit.", required=True, signed=True,
            example="1250", aliases=("Qty", "Volume", "Units", "Cases")),
        _of(Budget, "amount", "Amount", "money", "In the portal's currency.", required=True, signed=True,
            example="65625.00", aliases=("Sales", "Sales Amount", "Revenue", "Value")),
    ),
)  # fmt: skip

USERS = Kind(
    key=ImportRun.Kind.USERS,
    title="Users",
    row_words="users",
    key_columns=("email",),
    rows=FEW,
    csv_rows=FEW,
    permission=ImportRun.FURTHER[ImportRun.Kind.USERS],
    columns=(
        _of(User, "email", "Email", "email", "The login name; a new address creates a user without a password.",
            required=True, example="rep1@example.com", aliases=("E-mail", "E-mail Address", "Email Address", "Login")),
        _of(User, "full_name", "Full Name", "text", "First and last name.", required=True, example="Robin Elm",
            aliases=("Name",)),
        _of(User, "username", "Username", "code", "A second login name; the e-mail address when blank.",
            aliases=("User Name",)),
        _of(User, "employee_id", "Employee ID", "code", "The number in the payroll.", example="4711",
            aliases=("Employee No", "Employee Number", "Personnel Number")),
        _of(User, "manager", "Manager", "person", "Who reviews their lines: e-mail address, username or employee ID.",
            example="manager1@example.com", aliases=("Manager Email",)),
        Column(name="roles", heading="Roles", type="choices", help="One or more roles, with ; between them.",
               example="sales_rep", aliases=("Role", "Groups")),
        _of(User, "time_zone", "Time Zone", "code", "A name such as America/New_York.", example="America/New_York",
            aliases=("Timezone",)),
        _active(User),
    ),
)  # fmt: skip

KINDS: Mapping[str, Kind] = {
    kind.key: kind for kind in (CUSTOMERS, PRODUCTS, MATRIX, ACTUALS, BUDGET, USERS)
}  # fmt: skip
