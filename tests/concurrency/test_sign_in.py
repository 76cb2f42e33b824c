"""Attempts at one name at the same instant, each from an address of its own."""

import pytest

from sop_portal.accounts import turns
from sop_portal.accounts.models import SignInTurn
from tests.concurrency.test_races import at_once

pytestmark = pytest.mark.usefixtures("committed")


def test_a_burst_gets_the_free_turns_and_no_more():
    waits = at_once(*[lambda: turns.take("rosa@example.com")] * 24)
    # The others wait a second, those who asked a moment earlier one more.
    assert waits.count(0) == turns.FREE and set(waits) <= {0, 1, 2}
    assert SignInTurn.objects.get().attempts == turns.FREE
