"""The portal's clock: the database's, not the transaction's start; movable in tests only."""

import datetime as dt

import pytest
from django.db import connection

from sop_portal.lib.clock import portal_now

pytestmark = pytest.mark.django_db


def test_the_clock_runs_within_a_transaction():
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        (start,) = cursor.fetchone()
        first = portal_now()
        cursor.execute("SELECT pg_sleep(0.01)")
    assert start < first < portal_now()
    assert first.utcoffset() == dt.timedelta(0)


def test_tests_may_set_it(at):
    instant = dt.datetime(2027, 1, 15, 18, 0, tzinfo=dt.UTC)
    at(instant)
    assert portal_now() == instant
