"""Settings that admins add: declared with a kind, checked, told in the trail, read like all others."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from audit.context import acting
from audit.models import Entry
from sop_portal import conf
from sop_portal.conf import services, values
from sop_portal.conf.models import Setting
from sop_portal.conf.registry import REGISTRY
from sop_portal.lib.errors import NotAllowed, Refused
from tests import factories

pytestmark = pytest.mark.django_db

LIST = "/admin/conf/setting/"
WISH = {
    "key": "erp_plant",
    "category": "SYSTEM",
    "kind": "text",
    "label": "Plant of the ERP",
    "help": "",
    "value": "1000",
}


@pytest.fixture
def admin(client):
    user = factories.make_user("admin")
    client.force_login(user)
    return user


def add(**changes: Any) -> Any:
    with acting("system", source="command"):
        return services.add(**{**WISH, **changes}, by=None)


def test_one_that_another_process_has_just_added_is_known_at_once(admin, client, monkeypatch):
    add()
    # This process looked a moment ago, when it was not there.
    stale = values._Memory()
    stale.until = float("inf")
    monkeypatch.setattr(values, "_memory", stale)
    assert client.get(f"{LIST}erp_plant/").status_code == 200
    assert conf.get("erp_plant") == "1000"
    with pytest.raises(KeyError):
        conf.get("nobody_declares_this")


@pytest.mark.parametrize(
    ("kind", "value", "typed", "other", "other_typed"),
    [
        ("text", " 1000 ", "1000", "", ""),
        ("integer", "-5", -5, "7", 7),
        ("boolean", "yes", True, "no", False),
        ("email", "erp@example.com", "erp@example.com", "it@example.com", "it@example.com"),
        ("dates", "2026-12-26\n2026-12-25", ["2026-12-25", "2026-12-26"], "", []),
    ],
)
def test_each_kind_is_stored_read_changed_and_reset(kind, value, typed, other, other_typed):
    add(kind=kind, value=value)
    assert conf.get("erp_plant") == typed
    with acting("system", source="command"):
        assert services.set_value("erp_plant", other, by=None) == other_typed
        assert conf.get("erp_plant") == other_typed
        assert services.reset("erp_plant", by=None) == typed
    assert conf.get("erp_plant") == typed
    assert Setting.objects.get().declaration["default"] == typed


@pytest.mark.parametrize(
    ("part", "value", "sentence"),
    [
        ("key", "ERP plant", "A key has 3 to 60 small letters"),
        ("key", "1st", "A key has 3 to 60 small letters"),
        ("key", "currency", "The portal has a setting 'currency' already"),
        ("category", "ERP", "The category must be one of GENERAL"),
        ("kind", "weights", "The kind must be one of text"),
        ("label", " ", "Label must not be empty."),
        ("label", "a\nb", "Label must not contain line breaks"),
        ("label", "x" * 101, "Label may have up to 100 characters, not 101."),
        ("help", "x" * 201, "Help may have up to 200 characters, not 201."),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused_where_it_does_not(part, value, sentence):
    with pytest.raises(Refused) as refusal:
        add(**{part: value})
    assert list(refusal.value.lines) == [part]
    assert sentence in refusal.value.lines[part]
    assert not Setting.objects.exists()


def test_values_are_held_to_the_kind():
    with pytest.raises(Refused, match="must be a whole number") as refusal:
        add(kind="integer", value="many")
    assert list(refusal.value.lines) == ["value"]
    add(kind="integer", value=1)
    with pytest.raises(Refused, match="must be a whole number"), acting("system", source="command"):
        services.set_value("erp_plant", "many", by=None)
    with pytest.raises(ValidationError, match="must be a whole number"):
        Setting(key="erp_plant", value="many", declaration=Setting.objects.get().declaration).clean()
    with pytest.raises(Refused, match="There is a setting 'erp_plant' already"):
        add()


def test_removed_it_is_gone_and_one_of_the_portals_cannot_be():
    add()
    with acting("system", source="command"):
        services.remove("erp_plant", by=None)
        with pytest.raises(KeyError):
            conf.get("erp_plant")
        with pytest.raises(Refused, match="can be reset, not removed"):
            services.remove("currency", by=None)
        with pytest.raises(Refused, match="There is no setting 'erp_plant'"):
            services.set_value("erp_plant", "1", by=None)
    actions = Entry.objects.filter(entity_type="setting", entity_id="erp_plant").values_list("label", flat=True)
    assert set(actions) == {"Plant of the ERP"}


def test_only_admins_add_and_remove():
    add()
    manager = factories.make_user("manager")
    with pytest.raises(NotAllowed):
        services.add(**{**WISH, "key": "another"}, by=manager)
    with pytest.raises(NotAllowed):
        services.remove("erp_plant", by=manager)


def test_a_later_version_that_declares_the_key_wins(monkeypatch):
    add(kind="integer", value=5)
    monkeypatch.setitem(REGISTRY, "erp_plant", REGISTRY["currency"])
    conf.clear_cache()
    # What is stored is no currency, so the default of the registry is in force.
    assert conf.get("erp_plant") == "USD"
    assert conf.added() == []


class TestPages:
    def test_adding_one_lists_it_in_its_category(self, client, admin):
        assert b"Add a setting" in client.get(LIST).content
        assert client.get(LIST + "add/").status_code == 200
        answer = client.post(LIST + "add/", WISH)
        assert (answer.status_code, answer["Location"]) == (302, LIST)
        rows = dict(client.get(LIST).context["categories"])["System"]
        (row,) = [row for row in rows if row["spec"].own]
        assert (row["spec"].key, row["value"], row["changed"]) == ("erp_plant", "1000", False)
        entry = Entry.objects.get(entity_type="setting", entity_id="erp_plant")
        assert (entry.actor, entry.action, entry.changes["value"]) == (admin, "setting_created", [None, "1000"])

    def test_a_refusal_stands_at_its_field(self, client, admin):
        answer = client.post(LIST + "add/", WISH | {"key": "currency"})
        assert answer.status_code == 422
        assert "The portal has a setting" in str(answer.context["form"].errors["key"])

    def test_it_is_changed_and_removed(self, client, admin):
        client.post(LIST + "add/", WISH)
        assert client.post(LIST + "erp_plant/", {"value": "2000"}).status_code == 302
        assert conf.get("erp_plant") == "2000"
        assert b"Remove Plant of the ERP" in client.get(LIST + "erp_plant/").content
        assert client.get(LIST + "erp_plant/remove/").status_code == 302
        assert conf.get("erp_plant") == "2000"
        assert client.post(LIST + "erp_plant/remove/")["Location"] == LIST
        assert not Setting.objects.exists()
        assert client.get(LIST + "erp_plant/").status_code == 404

    def test_nobody_else_gets_in(self, client):
        client.force_login(factories.make_user("manager"))
        for path in ("add/", "erp_plant/remove/"):
            assert client.post(LIST + path, WISH).status_code in (302, 403)
        assert not Setting.objects.exists()
