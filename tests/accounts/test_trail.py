"""What stands in the audit trail of people coming, going and changing. Real commits: a transaction gives one entry."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from audit.context import acting
from audit.models import Entry
from sop_portal.accounts import services
from sop_portal.accounts.models import User
from sop_portal.accounts.tokens import password_link
from tests.accounts.helpers import actions, choose_password, sign_in
from tests.factories import PASSWORD, make_user

pytestmark = pytest.mark.usefixtures("committed")
NEW = "a-quite-new-secret-9"


@pytest.fixture
def rosa(committed: None) -> User:
    user = make_user("sales_rep", email="rosa@example.com", username="rosa", full_name="Rosa Meyer")
    return user


def entries_of(user: User) -> list[Entry]:
    """Entries about `user` after those of making them."""
    about = Entry.objects.filter(entity_type="user", entity_id=str(user.pk)).order_by("id")
    return [entry for entry in about if entry.source != "command"]


def test_who_came_and_went(rosa: User) -> None:
    client = Client()
    sign_in(client, "rosa", "wrong wrong wrong", REMOTE_ADDR="203.0.113.9", headers={"User-Agent": "a browser"})
    sign_in(client, "rosa", PASSWORD, headers={"X-Request-ID": "request-of-rosa"})
    client.post("/accounts/logout/")
    failed, login, logout = entries_of(rosa)
    assert (failed.action, failed.actor_label, failed.ip, failed.user_agent, failed.severity) == (
        "user_login_failed", "system", "203.0.113.9", "a browser", "WARNING",
    )  # fmt: skip
    assert (login.action, login.actor_id, login.source, login.request_id) == (
        "user_login", rosa.pk, "web", "request-of-rosa",
    )  # fmt: skip
    assert (logout.action, logout.actor_id, logout.label) == ("user_logout", rosa.pk, "Rosa Meyer")


def test_locks(rosa: User) -> None:
    for _ in range(6):
        sign_in(Client(), "rosa", "wrong wrong wrong")
    assert [entry.action for entry in entries_of(rosa)] == ["user_login_failed"] * 4 + ["user_locked"] * 2


def test_a_password_typed_as_a_name_is_not_kept() -> None:
    sign_in(Client(), PASSWORD, "whatever")
    (entry,) = Entry.objects.filter(action="user_login_failed")
    assert (entry.entity_id, entry.label, entry.changes) == ("", "a name that is nobody's", {})


def test_changes_by_their_names(rosa: User) -> None:
    boss = make_user("admin")
    with acting(boss, source="web"):
        services.set_roles(rosa, ["manager"], by=boss)
        services.set_active([rosa], False, by=boss)
        services.set_active([rosa], True, by=boss)
    role, off, on = entries_of(rosa)
    assert (role.action, role.changes, role.actor_id) == (
        "user_role_changed", {"groups": [["sales_rep"], ["manager"]]}, boss.pk,
    )  # fmt: skip
    assert (off.action, off.changes) == ("user_deactivated", {"is_active": [True, False]})
    assert (on.action, on.changes) == ("user_activated", {"is_active": [False, True]})


def test_a_password_chosen_by_link_is_the_act_of_its_owner(rosa: User) -> None:
    link = password_link(rosa)
    choose_password(Client(REMOTE_ADDR="203.0.113.7"), link[link.index("/accounts/") :], NEW)
    entry = entries_of(rosa)[0]
    assert (entry.action, entry.actor_id, entry.source, entry.ip) == (
        "user_password_changed", rosa.pk, "web", "203.0.113.7",
    )  # fmt: skip


def test_passwords_never(rosa: User) -> None:
    link = password_link(rosa)
    assert choose_password(Client(), link[link.index("/accounts/") :], NEW).status_code == 302
    client = Client()
    sign_in(client, "rosa", NEW)
    client.post("/accounts/password/change/", {"oldpassword": NEW, "password1": PASSWORD, "password2": PASSWORD})
    assert [entry.action for entry in entries_of(rosa)] == [
        "user_password_changed", "user_login", "user_password_changed",
    ]  # fmt: skip
    text = str(list(Entry.objects.values_list("changes", "label", "entity_id", "user_agent")))
    for secret in ("argon2", NEW, PASSWORD):
        assert secret not in text


def test_one_entry_for_a_new_user() -> None:
    boss = make_user("admin")
    with acting(boss, source="web"):
        user = services.create_user(by=boss, email="new@example.com", full_name="New", roles=["viewer"])
    (entry,) = Entry.objects.filter(entity_type="user", entity_id=str(user.pk))
    assert entry.action == "user_created"
    assert entry.changes["email"] == [None, "new@example.com"]
    assert entry.changes["groups"] == [[], ["viewer"]]


def test_refused_acts_leave_no_entry_and_denied_ones_do(rosa: User) -> None:
    boss = make_user("admin")
    client = Client()
    client.force_login(boss)
    before = Entry.objects.count()
    answer = client.post("/admin/accounts/user/", {"action": "deactivate", "_selected_action": [boss.pk]})
    assert answer.status_code == 302
    assert Entry.objects.count() == before
    client.force_login(rosa)
    assert client.get("/admin/", follow=True).status_code == 403
    denied = Entry.objects.get(action="access_denied")
    assert (denied.actor_id, denied.label, denied.severity) == (rosa.pk, "/admin/login/", "WARNING")


def test_nothing_is_unattributed(rosa: User) -> None:
    sign_in(Client(), "rosa", "wrong wrong wrong")
    sign_in(Client(), "rosa", PASSWORD)
    Client().force_login(rosa)
    with acting("system", source="command"):
        Group.objects.get(name="viewer").user_set.add(rosa)
    assert "unattributed" not in set(Entry.objects.values_list("source", flat=True))
    assert "user_role_changed" in actions(entity_id=str(rosa.pk))
