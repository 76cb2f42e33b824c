"""What a download leaves in the audit trail; with real commits, since entries of one transaction merge."""

import pytest
from django.test import Client

from audit.models import Entry
from tests import factories


@pytest.mark.parametrize("ending", ["xlsx", "csv"])
def test_a_download_is_one_entry_with_who_and_what(committed: None, ending: str) -> None:
    line = factories.make_line()
    client = Client()
    client.force_login(line.owner)
    before = Entry.objects.count()
    answer = client.get(f"/cycles/{line.cycle_id}/consolidated/", {"format": ending})
    answer.close()
    assert answer.status_code == 200 and Entry.objects.count() == before + 1
    entry = Entry.objects.latest("pk")
    assert (entry.action, entry.entity_type, entry.entity_id) == ("report_downloaded", "cycle", str(line.cycle_id))
    assert (entry.actor_id, entry.source) == (line.owner_id, "web")
    assert entry.changes["edition"] == [None, "INTERIM"] and entry.changes["file"][1].endswith(f".{ending}")
