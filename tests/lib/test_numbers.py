"""The number parser, by the list that the grid's JavaScript is tested with too, and by random input."""

import json
import string
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sop_portal.lib.errors import Refused
from sop_portal.lib.numbers import MAX_QUANTITY, Number, parse_number

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "numbers.json").read_text("utf-8"))
SPACES = [" ", "\u00a0", "\u202f", "\u2009", "'", "\u2019"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['text']!r:.20}{v['decimal_mark']}")
def test_vector(vector):
    if vector.get("error"):
        with pytest.raises(Refused) as refusal:
            parse_number(vector["text"], vector["decimal_mark"])
        assert "is not a number from 0 to 9,999,999.99" in refusal.value.detail
        return
    number = parse_number(vector["text"], vector["decimal_mark"])
    assert number.ambiguous is vector["ambiguous"]
    assert number.value == (None if vector["value"] is None else Decimal(vector["value"]))


def test_refusal_names_the_text():
    with pytest.raises(Refused) as refusal:
        parse_number("1e3")
    assert refusal.value.detail == "'1e3' is not a number from 0 to 9,999,999.99"


def test_too_many_decimals_says_how_many_are_possible():
    with pytest.raises(Refused) as refusal:
        parse_number("1.23456")
    assert refusal.value.detail == "'1.23456' is not a number from 0 to 9,999,999.99 with at most 2 decimals"


def test_imports_may_keep_six_decimals_and_then_the_locale_decides():
    assert parse_number("15638.333333", max_decimals=6) == Number(Decimal("15638.333333"))
    assert parse_number("1.234", ".", max_decimals=6) == Number(Decimal("1.234"), ambiguous=True)
    assert parse_number("1.234", ",", max_decimals=6) == Number(Decimal(1234), ambiguous=True)


def test_limit_is_a_parameter():
    assert parse_number("10000000", max_value=Decimal(10**8)).value == 10_000_000
    with pytest.raises(Refused, match="from 0 to 5"):
        parse_number("6", max_value=Decimal(5))


@given(st.decimals(min_value=0, max_value=MAX_QUANTITY, places=2), st.sampled_from(".,"), st.sampled_from(SPACES))
def test_every_quantity_is_read_back_however_it_is_grouped(value, mark, grouping):
    american = f"{value:,}"
    written = american.translate({ord(","): grouping, ord("."): mark})
    assert parse_number(written, ".") == parse_number(written, ",") == Number(value)


@given(st.decimals(min_value=0, max_value=MAX_QUANTITY, places=2), st.sampled_from(".,"))
def test_point_and_comma_grouping_is_exact_when_there_are_decimals(value, mark):
    american = f"{value:,}"
    assert parse_number(american, mark) == Number(value)
    assert parse_number(american.translate({ord(","): ".", ord("."): ","}), mark) == Number(value)


@given(st.integers(1000, 999_999))
def test_one_group_of_three_is_decided_by_the_locale_and_marked(value):
    assert parse_number(f"{value:,}", ".") == Number(Decimal(value), ambiguous=True)
    with pytest.raises(Refused):
        parse_number(f"{value:,}", ",")


@given(
    st.text(alphabet=string.digits + " .,'-+eE%$€()\u00a0", max_size=14) | st.text(max_size=20), st.sampled_from(".,")
)
def test_any_text_is_a_number_in_range_or_a_refusal(text, mark):
    try:
        number = parse_number(text, mark)
    except Refused as refusal:
        assert refusal.detail
    else:
        assert number.value is None or 0 <= number.value <= MAX_QUANTITY
