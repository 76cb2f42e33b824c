"""Who acts is asked when the entry is written; a write that nobody claims says so."""

import threading
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from audit.context import acting, acting_in, as_source, current
from audit.models import Entry
from audit.services import Event, record
from sop_portal.conf import services as settings_services
from tests import factories

pytestmark = pytest.mark.django_db


def write(pk: str = "1", **kw) -> Entry:
    record(Event(action="thing_updated", entity_type="thing", entity_id=pk, **kw))
    return Entry.objects.get(entity_type="thing", entity_id=pk)


@pytest.mark.usefixtures("unclaimed_allowed")
def test_an_unclaimed_write_is_recorded_as_such():
    entry = write()
    assert (entry.source, entry.actor_id, entry.actor_label) == ("unattributed", None, "")


def test_an_unclaimed_write_fails_a_test():
    with pytest.raises(AssertionError, match="claim"):
        write()


def test_actor_on_behalf_and_origin():
    rep, admin = factories.make_user("sales_rep"), factories.make_user("admin")
    with acting(admin, source="api", on_behalf_of=rep, ip="10.0.0.7", user_agent="curl/8", request_id="r-1"):
        entry = write()
    assert (entry.actor, entry.actor_label, entry.on_behalf_of, entry.on_behalf_label) == (
        admin, str(admin), rep, str(rep)
    )  # fmt: skip
    assert (entry.source, entry.ip, entry.user_agent, entry.request_id) == ("api", "10.0.0.7", "curl/8", "r-1")


def test_on_behalf_of_one_event():
    rep, admin = factories.make_user("sales_rep"), factories.make_user("admin")
    with acting(admin, source="web"):
        entry = write(on_behalf_of=rep.pk)
    assert (entry.on_behalf_of_id, entry.on_behalf_label) == (rep.pk, str(rep))


def test_the_request_is_asked_when_it_is_written():
    user = factories.make_user()
    request = RequestFactory().get("/", headers={"user-agent": "Firefox"})
    request.user, request.request_id = AnonymousUser(), "abc"
    with acting_in(request, source="web", ip="::1"):
        before = write("1")
        request.user = user
        after = write("2")
    assert (before.actor_id, before.source) == (None, "web")
    assert (after.actor_id, after.ip, after.user_agent, after.request_id) == (user.pk, "::1", "Firefox", "abc")


def test_an_inner_actor_keeps_the_origin():
    user = factories.make_user()
    with acting(None, source="web", ip="10.0.0.7", request_id="r-1"), acting(user, source="web"):
        entry = write("1")
    with acting(user, source="web", ip="10.0.0.7"), as_source("excel"):
        other = write("2")
    assert (entry.actor_id, entry.ip, entry.request_id) == (user.pk, "10.0.0.7", "r-1")
    assert (other.actor_id, other.ip, other.source) == (user.pk, "10.0.0.7", "excel")


def test_contexts_end_and_do_not_reach_other_threads():
    seen = []
    with acting("system", source="job"):
        thread = threading.Thread(target=lambda: seen.append(current().source))
        thread.start()
        thread.join()
        assert current().source == "job"
    assert seen == ["unattributed"]
    assert current().source == "unattributed"


def test_a_source_must_be_known():
    with pytest.raises(ValueError, match="no source"), acting("system", source="fax"):
        pass


def test_long_and_strange_origins_are_kept_within_bounds():
    with acting(SimpleNamespace(is_authenticated=False), source="web", user_agent="x\x00" * 500, request_id="y" * 500):
        entry = write()
    assert (len(entry.user_agent), len(entry.request_id)) == (150, 64)


@pytest.mark.parametrize(
    ("action", "kept"),
    [
        ("customer_updated", False),
        ("forecast_submitted", False),
        ("user_login", True),
        ("role_updated", True),
        ("setting_updated", True),
        ("access_denied", True),
        ("system_startup", True),
    ],
)
def test_without_audit_logging_only_security_events_are_kept(action, kept):
    with acting("system", source="command"):
        settings_services.set_value("enable_audit_logging", False, by=None)
        record(Event(action=action, entity_type="thing", entity_id="1"))
        assert Entry.objects.filter(entity_type="thing").exists() is kept
        assert Entry.objects.filter(entity_type="setting", entity_id="enable_audit_logging").count() == 1
