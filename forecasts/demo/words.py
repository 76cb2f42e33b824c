"""The words that names of the demo company are put together from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A product group: what it is called, how it is packed and sold, when it is bought.

    item: what follows the kind in a description. packs: (label, unit of measure, kilograms of one unit). price: of a
    kilogram. season: a factor per calendar month.
    """

    code: str
    name: str
    item: str
    kinds: tuple[str, ...]
    packs: tuple[tuple[str, str, float], ...]
    price: float
    season: tuple[float, ...]


_EVEN = (1.0,) * 12
_HOLIDAYS = (0.86, 0.84, 0.92, 0.96, 0.98, 0.96, 0.94, 0.95, 1.02, 1.10, 1.28, 1.19)
_SUMMER = (0.80, 0.82, 0.90, 1.00, 1.14, 1.24, 1.26, 1.20, 1.04, 0.92, 0.84, 0.84)
_WINTER = (1.24, 1.18, 1.06, 0.96, 0.88, 0.82, 0.80, 0.82, 0.90, 1.02, 1.14, 1.18)
_SPRING = (0.88, 0.94, 1.16, 1.22, 1.14, 1.02, 0.94, 0.92, 0.92, 0.94, 0.96, 0.96)

FAMILIES = (
    Family("G01", "Peeled garlic", "peeled garlic", ("California", "Imported", "Roasted", "Organic", "Jumbo"),
           (("4x5 lb", "CS", 9.07), ("6x3 lb", "CS", 8.16), ("12x1 lb", "CS", 5.44), ("20 lb", "CS", 9.07),
            ("6x1 lb", "CS", 2.72)), 5.6, _HOLIDAYS),
    Family("G02", "Whole garlic", "garlic", ("White", "Purple", "Elephant", "Organic whole", "Braided"),
           (("30 lb", "CS", 13.61), ("10 lb", "CS", 4.54), ("24x3 ct", "CS", 4.2), ("5 lb mesh", "BAG", 2.27),
            ("22 lb", "CS", 9.98)), 3.4, _HOLIDAYS),
    Family("G03", "Garlic puree", "garlic", ("Minced", "Chopped", "Pureed", "Roasted chopped", "Crushed"),
           (("6x32 oz", "CS", 5.44), ("4x1 gal", "CS", 15.1), ("12x8 oz", "CS", 2.72), ("35 lb", "PAIL", 15.88),
            ("24x4 oz", "CS", 2.72)), 4.8, _EVEN),
    Family("G04", "Shallots", "shallots", ("Whole", "Peeled", "Sliced", "Banana", "Organic"),
           (("4x5 lb", "CS", 9.07), ("10 lb", "CS", 4.54), ("6x3 lb", "CS", 8.16), ("20 lb", "CS", 9.07),
            ("12x8 oz", "CS", 2.72)), 4.1, _HOLIDAYS),
    Family("G05", "Ginger", "ginger", ("Fresh", "Peeled", "Pureed", "Young", "Organic"),
           (("30 lb", "CS", 13.61), ("10 lb", "CS", 4.54), ("12x8 oz", "CS", 2.72), ("4x5 lb", "CS", 9.07),
            ("5 lb", "BAG", 2.27)), 4.4, _WINTER),
    Family("G06", "Onions", "onions", ("Pearl", "Cipollini", "Red diced", "Yellow diced", "Boiler"),
           (("12x8 oz", "CS", 2.72), ("10 lb", "CS", 4.54), ("4x5 lb", "CS", 9.07), ("25 lb", "BAG", 11.34),
            ("20 lb", "CS", 9.07)), 2.2, _SUMMER),
    Family("G07", "Herb pastes", "paste", ("Basil", "Cilantro", "Lemongrass", "Parsley", "Chili"),
           (("12x4 oz", "CS", 1.36), ("6x10 oz", "CS", 1.7), ("4x2 lb", "CS", 3.63), ("10 lb", "PAIL", 4.54),
            ("24x2 oz", "CS", 1.36)), 8.9, _SUMMER),
    Family("G08", "Dried and powders", "", ("Garlic granules", "Garlic powder", "Onion powder", "Ginger powder", "Herb salt"),
           (("25 lb", "BAG", 11.34), ("6x1 lb", "CS", 2.72), ("50 lb", "BAG", 22.68), ("12x6 oz", "CS", 2.04),
            ("5 lb", "CS", 2.27)), 6.7, _SPRING),
)  # fmt: skip
GRADES = ("", "Select", "Premium", "Value", "Chef")

TREES = (
    "Alder", "Ash", "Aspen", "Beech", "Birch", "Boxwood", "Buckeye", "Catalpa", "Cedar", "Cherry", "Chestnut", "Cypress",
    "Dogwood", "Elder", "Elm", "Fir", "Hawthorn", "Hazel", "Hemlock", "Hickory", "Holly", "Hornbeam", "Ironwood",
    "Juniper", "Larch", "Laurel", "Linden", "Locust", "Magnolia", "Maple", "Mulberry", "Oak", "Palm", "Pecan", "Pine",
    "Poplar", "Redbud", "Rowan", "Spruce", "Sumac", "Sycamore", "Tamarack", "Tupelo", "Walnut", "Willow", "Yew",
)  # fmt: skip
TRADES = (
    "Supply", "Foods", "Provisions", "Wholesale", "Foodservice", "Market", "Produce", "Kitchens", "Grocers", "Catering",
    "Distribution", "Pantry",
)  # fmt: skip
REGIONS = ("Northeast", "Southeast", "Midwest", "Southwest", "West")
FORMS = ("Inc.", "LLC", "Co.")

REJECTIONS = (
    "Well above last year without a promotion in the notes. Is a new store behind it?",
    "The customer announced a smaller range for spring; please check March to May.",
    "The peak lies a month later than in the last two years. Please confirm or move it.",
)
RETURNS = ("The customer sent new figures this morning; please enter them.",)
APPROVALS = ("", "", "", "", "Agreed.", "In line with the customer's plan.")
ADJUSTMENTS = (
    "Capacity of line 2 in this quarter.",
    "Agreed in the S&OP meeting.",
    "Not submitted in time; set to the rate of the last three months.",
)
REASONS = ("", "", "", "promotion", "new store", "lost business", "price", "supply")
