"""The quick way through a JSON document: taken only where it says what the strict one does, to the digit."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sop_portal.lib.strict_json import DEEPEST, NotJson, loads, loads_exact

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
TOKENS = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    " ",
    "\n",
    '"a"',
    '"a b"',
    '"ab"',
    '":"',
    "1",
    "1.0",
    "1.50",
    "-0",
    "1e2",
    "null",
]


def digits(value: Any) -> Any:
    """A document with the digits of each number, and its texts set apart from them."""
    if isinstance(value, dict):
        return {name: digits(part) for name, part in value.items()}
    if isinstance(value, list):
        return [digits(part) for part in value]
    return type(value).__name__, str(value)


def strictly(body: bytes) -> Any:
    return loads(body, float)


def written(body: bytes) -> list[str]:
    """The numbers with decimals, as they stand in a document."""
    found: list[str] = []
    loads(body, found.append)
    return found


@given(VALUES, st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r")]))
def test_it_says_what_the_strict_way_does(value: Any, separators: tuple[str, str]) -> None:
    body = json.dumps(value, separators=separators, ensure_ascii=False).encode()
    quick = loads_exact(body)
    if quick is not None:
        assert digits(quick) == digits(strictly(body))


@given(st.lists(st.sampled_from(TOKENS), max_size=14).map("".join))
@example('{"a":1,"a":1}')
@example('{"a":{"a":1},"a":1.0}')
def test_what_the_strict_way_refuses_it_leaves_alone(text: str) -> None:
    body = text.encode()
    quick = loads_exact(body)
    if quick is not None:
        assert digits(quick) == digits(strictly(body))
        assert all(str(float(number)) == number for number in written(body))


@pytest.mark.parametrize(
    "text", ['{"a":10.5,"b":[1,-2.25,"1.50",null,true]}', '{ "a" : 10.5, "b c" : [ 1 ] }', '["Café",":",{}]', "0.1"]
)
def test_what_is_written_as_usual_is_read_by_it(text: str) -> None:
    assert digits(loads_exact(text.encode())) == digits(strictly(text.encode()))


@pytest.mark.parametrize(
    "text",
    ["1.50", "1e2", "-0", "0.10000000000000000001", "12345678901234567890123", "1e400", "NaN", '{"a":1,"a":1}',
     '{"a b":1,"a b":1}', '"\\u0041"', '"\\ud800"', '"\\/"', "", "[1,]", "\ufeff[]"],
)  # fmt: skip
def test_what_it_would_change_or_cannot_read_is_left_to_the_strict_way(text: str) -> None:
    assert loads_exact(text.encode()) is None


@pytest.mark.parametrize("read", [loads_exact, strictly])
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}"), ('[{},{"a":', "}]")])
def test_both_refuse_the_same_depth(read: Any, begin: str, end: str) -> None:
    levels = DEEPEST // len(end)
    assert read(f"{begin * levels}1{end * levels}".encode()) is not None
    with pytest.raises(NotJson, match="nested deeper"):
        read(f"{begin * (levels + 1)}1{end * (levels + 1)}".encode())
