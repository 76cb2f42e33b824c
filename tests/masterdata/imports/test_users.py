"""Users from a file: roles, managers, no passwords, and always an administrator."""

import pytest
from django.contrib.auth.models import Group, Permission

from audit.context import acting
from audit.models import Entry
from masterdata.models import ImportRun
from sop_portal.accounts.models import User
from sop_portal.lib.errors import Conflict, NotAllowed
from tests.factories import make_customer, make_user
from tests.imports import (
    apply,
    commit,
    counts,
    csv_bytes,
    imported,
    last_entry,
    remarks,
    sentences,
    stored,
    undo,
    upload,
)

pytestmark = pytest.mark.django_db
HEAD = ["Email", "Full Name", "Username", "Employee ID", "Manager", "Roles", "Time Zone", "Active"]


def row(email, name="Robin Elm", username="", number="", manager="", roles="", zone="", active=""):
    return (email, name, username, number, manager, roles, zone, active)


def user(email):
    return User.objects.get(email=email)


def roles(who):
    return sorted(who.groups.values_list("name", flat=True))


def test_users_are_made_and_changed_with_their_roles(admin):
    rita = make_user("sales_rep", email="rita@example.com", full_name="Rita Rep", employee_id="4711")
    commit()
    rows = [
        row("New@Example.com", "Mona Manager", number="4712", roles="Manager; viewer", zone="America/New_York"),
        row("RITA@example.com", "Rita Rep-Elm", manager="4712", roles="sales_rep, viewer"),
        row("olm@example.com", "Olm", manager="rita@example.com", active="no"),
    ]
    entry = last_entry()
    run = imported("users", csv_bytes(HEAD, rows), admin)
    assert counts(run) == (2, 1, 0, 0)
    mona, olm = user("new@example.com"), user("olm@example.com")
    rita = user("rita@example.com")
    assert (mona.username, mona.time_zone, roles(mona), mona.is_active) == (
        "new@example.com", "America/New_York", ["manager", "viewer"], True,
    )  # fmt: skip
    assert not mona.has_usable_password()
    assert (rita.full_name, rita.manager, roles(rita)) == ("Rita Rep-Elm", mona, ["sales_rep", "viewer"])
    assert (olm.manager, roles(olm), olm.is_active) == (rita, [], False)
    assert remarks(run, "no_password") == [
        "New users: 2. They have no password yet; send them the welcome link from the list of users."
    ]
    told = {
        (each.action, each.label): each.changes
        for each in Entry.objects.filter(id__gt=entry, entity_type="user", source="excel")
    }
    assert set(told) == {
        ("user_created", "Mona Manager"), ("user_created", "Olm"), ("user_role_changed", "Rita Rep-Elm"),
    }  # fmt: skip
    assert told["user_role_changed", "Rita Rep-Elm"] == {
        "full_name": ["Rita Rep", "Rita Rep-Elm"],
        "manager": [None, f"Mona Manager (#{mona.pk})"],
        "groups": [["sales_rep"], ["sales_rep", "viewer"]],
    }
    assert told["user_created", "Olm"]["manager"][1].endswith(f"(#{rita.pk})")
    assert counts(imported("users", csv_bytes(HEAD, rows), admin)) == (0, 0, 3, 0)


def test_what_is_refused(admin):
    make_user("viewer", email="vera@example.com", employee_id="1")
    rows = [
        row("no address", roles="boss"),
        row("a@example.com", "", number="1", manager="ghost", zone="Mars/Base"),
        row("b@example.com", username="vera@example.com"),
        row("c@example.com", manager="c@example.com", active="maybe"),
        row("d@example.com", username="with blank"),
        row("E@example.com"),
        row("e@example.com"),
        row("f@example.com", manager="e@example.com"),
    ]
    run = upload("users", csv_bytes(HEAD, rows), admin)
    assert sentences(run) == [
        "A2: 'no address' is not an e-mail address; write one like name@example.com.",
        "B3: Full Name is missing; write one such as Robin Elm, or delete the row.",
        "D3: Another user has this employee ID.",
        "E3: 'ghost' is nobody here; write the e-mail address, username or employee ID of a user, or add the user first.",
        "G3: 'Mars/Base' is not a time zone; use a name such as America/New_York.",
        "C4: Another user has this username.",
        "E5: Nobody can be their own manager.",
        "H5: 'maybe' is neither Yes nor No; write one of them.",
        "C6: Letters, digits and @ . + - _ only.",
        "A7: Rows 7 and 8 hold the same Email; delete one of them.",
        "A8: Rows 7 and 8 hold the same Email; delete one of them.",
        "E9: The row of 'e@example.com' is refused, so nothing can point at it; correct that row.",
    ]
    assert User.objects.filter(email__endswith="e@example.com").count() == 0


def test_a_role_that_does_not_exist(admin):
    run = upload("users", csv_bytes(HEAD, [row("a@example.com", roles="viewer; boss")]), admin)
    assert sentences(run) == ["F2: There is no role 'boss'; there are admin, manager, sales_rep, viewer."]


def test_the_last_administrator_stays(admin):
    run = upload("users", csv_bytes(HEAD, [row(admin.email, admin.full_name, roles="viewer")]), admin)
    assert (run.state, run.reason) == (
        "refused",
        "This would leave no active administrator. Give another active user the role admin first.",
    )
    run = upload("users", csv_bytes(HEAD, [row(admin.email, admin.full_name, active="no")]), admin)
    assert run.state == "refused"
    # Not when another one comes along.
    rows = [row(admin.email, admin.full_name, roles="viewer"), row("boss@example.com", roles="admin")]
    assert counts(imported("users", csv_bytes(HEAD, rows), admin)) == (1, 1, 0, 0)


def test_who_loses_roles_or_activity_is_signed_out(admin, client):
    rita = make_user("sales_rep", email="rita@example.com", full_name="Rita")
    with acting("system", source="system"):
        client.force_login(rita)
    client.get("/")
    commit()
    version = rita.access_version
    imported("users", csv_bytes(HEAD, [row("rita@example.com", "Rita", active="no")]), admin)
    rita = user("rita@example.com")
    assert not rita.is_active
    assert rita.access_version > version
    assert client.get("/").status_code == 302
    assert Entry.objects.filter(action="user_deactivated", entity_id=str(rita.pk), source="excel").count() == 1


def test_only_who_manages_users_imports_them(admin):
    with acting(admin, source="admin"):
        admin.user_permissions.add(Permission.objects.get(codename="manage_users"))
        Group.objects.get(name="admin").permissions.remove(Permission.objects.get(codename="manage_users"))
        other = make_user("admin")
    with pytest.raises(NotAllowed) as refusal:
        upload("users", csv_bytes(HEAD, [row("a@example.com")]), other)
    assert refusal.value.detail == "Only an S&OP admin can import users."
    admin = User.objects.get(pk=admin.pk)
    assert upload("users", csv_bytes(HEAD, [row("a@example.com")]), admin).state == "checked"


def test_undoing_takes_users_back(admin):
    rita = make_user("sales_rep", email="rita@example.com", full_name="Rita")
    rows = [row("rita@example.com", "Rita Elm", number="7", roles="viewer", manager="mona@example.com"),
            row("mona@example.com", "Mona", roles="manager")]  # fmt: skip
    run = undo(imported("users", csv_bytes(HEAD, rows), admin), admin)
    assert run.state == "undone"
    rita = user("rita@example.com")
    assert (rita.full_name, rita.employee_id, rita.manager, roles(rita)) == ("Rita", None, None, ["sales_rep"])
    assert not User.objects.filter(email="mona@example.com").exists()


def test_users_who_are_needed_by_now_stay(admin):
    run = imported("users", csv_bytes(HEAD, [row("oskar@example.com", "Oskar", roles="sales_rep")]), admin)
    oskar = user("oskar@example.com")
    customer = make_customer(sales_rep=oskar)
    with pytest.raises(Conflict) as refusal:
        undo(run, admin)
    assert "users that it made are in use by now: 1 customer." in refusal.value.detail
    with acting(admin, source="admin"):
        customer.delete()
    User.objects.filter(pk=oskar.pk).untracked().update(time_zone="Europe/Berlin")
    with pytest.raises(Conflict) as refusal:
        undo(run, admin)
    assert "users were changed, deleted or signed in since: 1 (Oskar)." in refusal.value.detail
    assert stored(run).state == ImportRun.State.APPLIED
    assert apply(run, admin).state == "applied"
