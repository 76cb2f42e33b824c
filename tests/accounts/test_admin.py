"""Users and roles in the admin, and the profile page."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from audit.context import acting
from audit.models import Entry
from sop_portal.accounts import services
from sop_portal.accounts.models import User
from tests.accounts.helpers import choose_password, link_in, sign_in
from tests.factories import PASSWORD, make_user
from tests.mail.helpers import delivered

pytestmark = pytest.mark.django_db
USERS = "/admin/accounts/user/"


@pytest.fixture
def boss() -> User:
    return make_user("admin", full_name="The Boss", email="boss@example.com")


@pytest.fixture
def page(boss: User) -> Client:
    client = Client()
    sign_in(client, "boss@example.com", PASSWORD)
    return client


def role(name: str) -> int:
    return Group.objects.get(name=name).pk


def fields(user: User, **changes: Any) -> dict[str, Any]:
    values = {
        "full_name": user.full_name,
        "email": user.email,
        "username": user.username,
        "employee_id": "",
        "groups": [group.pk for group in user.groups.all()],
        "manager": user.manager_id or "",
        "is_active": "on",
        "time_zone": user.time_zone,
    } | changes
    return {name: value for name, value in values.items() if value is not None}


def act(page: Client, action: str, *users: User) -> Any:
    return page.post(USERS, {"action": action, "_selected_action": [user.pk for user in users]}, follow=True)


def said(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


class TestDoors:
    def test_strangers_go_to_the_one_sign_in_page(self, client: Client) -> None:
        assert client.get(USERS, follow=True).redirect_chain[-1][0].startswith("/accounts/login/?next=/admin/")
        assert client.get("/admin/login/")["Location"].startswith("/accounts/login/")
        assert client.post("/admin/login/", {"username": "boss@example.com", "password": PASSWORD}).status_code == 302

    @pytest.mark.parametrize("name", ["sales_rep", "manager", "viewer"])
    def test_other_roles_are_told_so(self, client: Client, name: str) -> None:
        client.force_login(make_user(name))
        assert client.get(USERS, follow=True).status_code == 403
        assert Entry.objects.filter(action="access_denied").exists()

    def test_admins_sign_out_and_change_passwords_in_the_portal(self, page: Client) -> None:
        assert page.post("/admin/logout/")["Location"] == "/accounts/logout/"
        assert page.get("/admin/password_change/")["Location"] == "/accounts/password/change/"


def test_pages_open(page: Client, boss: User) -> None:
    for path in ("", "?q=boss", "?is_active__exact=1", "add/", f"{boss.pk}/change/"):
        assert page.get(USERS + path).status_code == 200, path
    assert page.get(f"{USERS}{boss.pk}/history/")["Location"] == f"/audit/user/{boss.pk}/"
    assert page.get("/admin/auth/group/").status_code == 200
    assert page.get(f"/admin/auth/group/{role('admin')}/change/").status_code == 200


def test_a_new_user_is_mailed_a_link(page: Client, boss: User, django_capture_on_commit_callbacks: Any) -> None:
    manager = make_user("manager")
    with django_capture_on_commit_callbacks(execute=True):
        answer = page.post(
            f"{USERS}add/",
            {
                "full_name": "Rosa Meyer", "email": "Rosa@Example.com", "groups": [role("sales_rep")],
                "manager": manager.pk, "time_zone": "America/New_York",
            },
        )  # fmt: skip
    assert answer.status_code == 302, answer.context["errors"]
    rosa = User.objects.get(email="rosa@example.com")
    assert (rosa.username, rosa.is_active, rosa.manager, rosa.has_usable_password()) == (
        "rosa@example.com", True, manager, False,
    )  # fmt: skip
    (message,) = delivered()
    assert message.subject == "Your account in S&OP Portal"
    assert choose_password(Client(), link_in(message), "a-quite-new-secret-9").status_code == 302
    assert sign_in(Client(), "rosa@example.com", "a-quite-new-secret-9").status_code == 302
    created = Entry.objects.filter(entity_type="user", entity_id=str(rosa.pk)).order_by("id").first()
    assert created is not None
    assert (created.source, created.actor_id) == ("admin", boss.pk)


def test_a_new_user_with_a_password(page: Client, django_capture_on_commit_callbacks: Any) -> None:
    form = {"full_name": "Rosa", "email": "rosa@example.com", "time_zone": "UTC"}
    weak = page.post(f"{USERS}add/", form | {"password1": "short", "password2": "short"})
    assert "password1" in weak.context["adminform"].form.errors
    unlike = page.post(f"{USERS}add/", form | {"password1": PASSWORD, "password2": PASSWORD + "x"})
    assert "password2" in unlike.context["adminform"].form.errors
    with django_capture_on_commit_callbacks(execute=True):
        page.post(f"{USERS}add/", form | {"password1": PASSWORD, "password2": PASSWORD})
    assert sign_in(Client(), "rosa@example.com", PASSWORD).status_code == 302
    assert delivered() == []


class TestLastAdmin:
    def test_form_refuses_deactivation_and_demotion(self, page: Client, boss: User) -> None:
        for changes in ({"is_active": None}, {"groups": []}, {"groups": [role("viewer")]}):
            answer = page.post(f"{USERS}{boss.pk}/change/", fields(boss, **changes))
            assert answer.status_code == 200
            assert "The Boss is the last active administrator" in str(answer.context["adminform"].form.errors)
        assert User.objects.get(pk=boss.pk).is_staff

    def test_action_refuses(self, page: Client, boss: User) -> None:
        answer = act(page, "deactivate", boss, make_user("sales_rep"))
        assert "last active administrator" in said(answer)[0]
        assert User.objects.filter(is_active=False).count() == 0

    def test_role_form_refuses(self, page: Client, boss: User) -> None:
        kept = Permission.objects.filter(group__name="admin").exclude(codename="manage_users")
        answer = page.post(
            f"/admin/auth/group/{role('admin')}/change/", {"permissions": [permission.pk for permission in kept]}
        )
        assert answer.status_code == 409
        assert User.objects.get(pk=boss.pk).has_perm("accounts.manage_users")

    def test_nobody_is_deleted(self, page: Client, boss: User) -> None:
        assert page.post(f"{USERS}{boss.pk}/delete/", {"post": "yes"}).status_code == 403
        assert "delete_selected" not in page.get(USERS).content.decode()


def test_editing_oneself_keeps_the_session(page: Client, boss: User) -> None:
    make_user("admin")
    page.post(f"{USERS}{boss.pk}/change/", fields(boss, groups=[role("admin"), role("viewer")]))
    assert page.get(USERS).status_code == 200


def test_actions(page: Client) -> None:
    rosa, gone = make_user("sales_rep"), make_user("sales_rep", is_active=False)
    assert said(act(page, "deactivate", rosa, gone)) == ["1 user deactivated."]
    assert said(act(page, "activate", rosa, gone)) == ["2 users activated."]
    on_its_way = f"A link to choose a password is on its way to {rosa.email}."
    assert said(act(page, "mail_password_link", rosa)) == [on_its_way]
    assert [message.to for message in delivered()] == [[rosa.email]]
    with acting("system", source="command"):
        services.set_active([gone], False, by=None)
    assert said(act(page, "mail_welcome", rosa, gone)) == [
        f"The welcome with a link to choose a password is on its way to {rosa.email}.",
        "Inactive users got no mail; activate them first.",
    ]
    assert [message.to for message in delivered()] == [[rosa.email]] * 2


def test_the_welcome_goes_once_more_by_a_button(page: Client, boss: User) -> None:
    rosa = make_user("sales_rep")
    welcome = f"{USERS}{rosa.pk}/welcome/"
    assert welcome in page.get(f"{USERS}{rosa.pk}/change/").content.decode()
    assert rosa.email in page.get(welcome).content.decode()
    assert delivered() == []
    assert page.post(welcome)["Location"] == f"{USERS}{rosa.pk}/change/"
    (message,) = delivered()
    assert choose_password(Client(), link_in(message), "a-quite-new-secret-9").status_code == 302
    sign_in(Client(), rosa.email, "a-quite-new-secret-9")
    assert welcome not in page.get(f"{USERS}{rosa.pk}/change/").content.decode()
    assert Client().post(welcome).status_code == 302
    for role_name in ("manager", "viewer"):
        other = Client()
        other.force_login(make_user(role_name))
        assert other.post(welcome)["Location"].startswith("/admin/login/")
    assert len(delivered()) == 2, "the welcome, and that a password was chosen"


def test_roles_keep_their_names_and_changes_are_on_record(page: Client) -> None:
    kept = Permission.objects.filter(group__name="viewer")
    more = Permission.objects.get(codename="view_user")
    page.post(
        f"/admin/auth/group/{role('viewer')}/change/",
        {"name": "spectator", "permissions": [*(permission.pk for permission in kept), more.pk]},
    )
    assert Group.objects.filter(name="viewer").exists()
    assert not Group.objects.filter(name="spectator").exists()
    entry = Entry.objects.get(action="role_updated")
    before, after = entry.changes["permissions"]
    assert set(after) - set(before) == {"Users and roles | user | Can view user"}
    assert page.post("/admin/auth/group/add/", {"name": "x"}).status_code == 403


class TestProfile:
    def test_changes_the_time_zone_and_nothing_else(self, client: Client) -> None:
        rosa = make_user("sales_rep")
        client.force_login(rosa)
        assert client.get("/accounts/profile/").status_code == 200
        answer = client.post(
            "/accounts/profile/",
            {"time_zone": "Europe/Rome", "full_name": "Somebody", "is_active": "", "email": "x@x.x"},
        )
        assert answer.status_code == 302
        after = User.objects.get(pk=rosa.pk)
        assert (after.time_zone, after.full_name, after.email) == ("Europe/Rome", rosa.full_name, rosa.email)

    def test_refuses_other_zones(self, client: Client) -> None:
        client.force_login(make_user())
        assert client.post("/accounts/profile/", {"time_zone": "Mars/Olympus"}).status_code == 422
