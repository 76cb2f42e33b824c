"""Totals over several products: one unit stays, several become kilograms and name what has no weight."""

from decimal import Decimal as D

import pytest

from sop_portal.lib.measures import Measure, Part, Total, common, total

CASES = Part.of("Peeled garlic", "CS", D(10), D("2.5"))
BAGS = Part.of("Ginger", "BAG", D(4), D(20))
PIECES = Part.of("Press", "EA", D(7), None)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], Total("", D(0))),
        ([CASES, CASES], Total("CS", D(20))),
        # The weight of one unit alone is nobody's question.
        ([PIECES], Total("EA", D(7))),
        # 10 x 2.5 + 4 x 20
        ([CASES, BAGS], Total("kg", D(105))),
        ([CASES, BAGS, PIECES], Total("kg", D(105), ("Press",))),
        ([PIECES, Part.of("Knife", "BOX", D(1), None)], Total("kg", None, ("Knife", "Press"))),
        # A product without weight of which nothing is planned leaves nothing out.
        ([CASES, Part.of("Knife", "BOX", D(0), None)], Total("kg", D(25))),
        # Sums of the database, a row per unit.
        (
            [Part("CS", D(30), D(50), ("Black garlic", "Press")), BAGS, PIECES],
            Total("kg", D(130), ("Black garlic", "Press")),
        ),
    ],
)
def test_totals(parts, expected):
    assert total(parts) == expected


def test_units_that_differ_only_in_spelling_are_different():
    assert common(["cs", "CS"]) == Measure("kg", by_weight=True)


def test_kilograms_as_a_unit_are_a_unit():
    assert common(["kg"]) == Measure("kg")
    assert common(["kg"]).factor(None) == 1
    assert common(["kg", "CS"]).factor(None) is None
