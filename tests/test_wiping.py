"""What tests with real commits leave behind goes, whichever way it is emptied."""

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from audit.context import acting
from audit.models import Entry
from tests import conftest, factories
from tests.audit import sealed

pytestmark = pytest.mark.usefixtures("committed")


def counts() -> dict[str, int]:
    return {model._meta.db_table: model._base_manager.count() for model in apps.get_models()}


def switched_off() -> list[tuple[str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'O'")
        return cursor.fetchall()


@pytest.mark.parametrize("sessions", [1, 10_000], ids=["few", "many"])
def test_only_what_migrations_made_is_left(sessions: int) -> None:
    conftest.wipe()
    seeded = {table: count for table, count in counts().items() if count}
    assert set(seeded) <= conftest.SEEDED
    for _ in range(2):
        line = factories.submit(factories.make_line())
        # Numbers begin again, too.
        assert (line.pk, line.cycle_id) == (1, 1)
        with acting("system", source="command"):
            sealed.write("one", "two")
        sealed.settle()
        assert sealed.seal_all() > 0
        now = timezone.now()
        Session.objects.bulk_create(Session(f"{n}", "x" * 200, now) for n in range(sessions))
        conftest.wipe()
        assert {table: count for table, count in counts().items() if count} == seeded
        assert not Entry.objects.exists()
        assert switched_off() == []
