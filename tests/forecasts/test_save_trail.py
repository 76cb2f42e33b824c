"""What a save leaves in the audit trail; with real commits, since entries of one transaction merge."""

import json

import pytest
from django.test import Client

from audit.models import Entry
from tests import factories


@pytest.mark.parametrize("role", ["sales_rep", "admin"])
def test_a_save_is_one_entry_with_who_for_whom_from_where_and_both_values(committed, role):
    line = factories.make_line(quantity=100)
    person = line.owner if role == "sales_rep" else factories.make_user(role)
    client = Client(headers={"user-agent": "a browser"})
    client.force_login(person)
    before = Entry.objects.count()
    body = {"edits": [{"line": line.pk, "revision": line.revision, "quantity": {"2027-01": "7"}, "risk_class": 1}]}
    answer = client.post(f"/forecast/{line.cycle_id}/save/", json.dumps(body), content_type="application/json")
    assert answer.status_code == 200
    assert Entry.objects.count() == before + 1
    entry = Entry.objects.latest("pk")
    assert (entry.action, entry.entity_type, entry.entity_id) == ("forecast_updated", "forecast", str(line.pk))
    assert (entry.actor_id, entry.on_behalf_of_id) == (person.pk, None if role == "sales_rep" else line.owner_id)
    assert (entry.source, entry.ip, entry.user_agent) == ("web", "127.0.0.1", "a browser")
    assert entry.request_id == answer["X-Request-ID"]
    assert entry.changes == {"quantity 2027-01": ["100", "7"], "risk_class": [3, 1]}
