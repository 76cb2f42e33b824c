"""Unlocking people, and asking them for a new password."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.context import acting
from audit.models import Entry
from sop_portal.accounts import mail
from sop_portal.accounts.models import User
from sop_portal.accounts.services import require_new_password, unlock
from sop_portal.lib.errors import NotAllowed
from tests.accounts.helpers import actions, choose_password, is_signed_in, link_in, sign_in
from tests.factories import PASSWORD, make_user
from tests.mail.helpers import delivered
from tests.world import count_queries, next_transaction

pytestmark = pytest.mark.django_db
NEW = "another-clove-of-garlic"
CHANGE = "/accounts/password/change/"


@pytest.fixture
def boss() -> User:
    return make_user("admin")


@pytest.fixture
def rosa() -> User:
    return make_user("sales_rep", email="rosa@example.com", username="rosa")


def lock_out(login: str = "rosa") -> Client:
    client = Client()
    for _ in range(5):
        sign_in(client, login, "wrong")
    assert sign_in(client, login, PASSWORD).status_code == 429
    return client


def ask(boss: User, *users: User) -> list[User]:
    next_transaction()
    with acting(boss, source="admin"):
        return require_new_password(users, by=boss)


class TestUnlock:
    def test_whoever_is_unlocked_signs_in_at_once(self, boss: User, rosa: User) -> None:
        client, other = lock_out(), make_user()
        next_transaction()
        with acting(boss, source="admin"):
            assert unlock([rosa, other], by=boss) == [rosa]
        next_transaction()
        assert sign_in(client, "rosa", PASSWORD).status_code == 302
        entry = Entry.objects.get(action="user_unlocked")
        assert (entry.entity_id, entry.actor_id) == (str(rosa.pk), boss.pk)
        with acting(boss, source="admin"):
            assert unlock([rosa], by=boss) == []

    def test_others_stay_locked(self, boss: User, rosa: User) -> None:
        other = make_user(email="omar@example.com")
        lock_out()
        client = lock_out("omar@example.com")
        with acting(boss, source="admin"):
            unlock([rosa], by=boss)
        assert sign_in(client, other.email, PASSWORD).status_code == 429

    @pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer"])
    def test_only_administrators_do(self, role: str, rosa: User) -> None:
        person = make_user(role)
        for act in (unlock, require_new_password):
            with pytest.raises(NotAllowed):
                act([rosa], by=person)


class TestNewPassword:
    def test_nothing_else_is_possible_until_it_is_chosen(self, boss: User, rosa: User, client: Client) -> None:
        sign_in(client, "rosa", PASSWORD)
        assert is_signed_in(client)
        assert ask(boss, rosa) == [rosa]
        assert not is_signed_in(client)  # the session of before is dead
        assert actions(entity_id=str(rosa.pk), source="admin") == ["user_updated"]
        sign_in(client, "rosa", PASSWORD)
        for address in ("/", "/accounts/profile/", "/audit/mine/", "/admin/", "/cycles/"):
            assert client.get(address)["Location"] == CHANGE, address
        assert client.post("/accounts/profile/", {"time_zone": "Europe/Rome"})["Location"] == CHANGE
        assert User.objects.get(pk=rosa.pk).time_zone == "UTC"
        told = client.get("/", headers={"accept": "application/json"})
        assert told.status_code == 403 and "Choose a new password first" in told.json()["detail"]
        page = client.get(CHANGE).content.decode()
        assert "An administrator asks you to choose a new password" in page and "Cancel" not in page

        same = client.post(CHANGE, {"oldpassword": PASSWORD, "password1": PASSWORD, "password2": PASSWORD})
        assert same.status_code == 422 and "choose another one" in same.content.decode()
        done = client.post(CHANGE, {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
        assert done.status_code == 302
        assert is_signed_in(client) and client.get("/").status_code == 200
        assert User.objects.get(pk=rosa.pk).must_change_password is False

    def test_signing_out_and_the_open_pages_stay_possible(self, boss: User, rosa: User, client: Client) -> None:
        ask(boss, rosa)
        sign_in(client, "rosa", PASSWORD)
        for name in ("account_reset_password", "account_logout", "health"):
            assert client.get(reverse(name)).status_code == 200, name
        client.post(reverse("account_logout"))
        assert not is_signed_in(client)

    def test_a_password_chosen_by_mail_does_it_too(self, boss: User, rosa: User) -> None:
        ask(boss, rosa)
        mail.send_password_links([User.objects.get(pk=rosa.pk)])
        link = link_in(delivered()[-1])
        assert choose_password(Client(), link, PASSWORD).status_code == 422
        assert choose_password(Client(), link, NEW).status_code == 302
        client = Client()
        sign_in(client, "rosa", NEW)
        assert is_signed_in(client)

    def test_a_hash_that_is_renewed_at_sign_in_is_no_new_password(
        self, boss: User, rosa: User, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.contrib.auth.hashers import Argon2PasswordHasher

        ask(boss, rosa)
        before = User.objects.get(pk=rosa.pk).password
        monkeypatch.setattr(Argon2PasswordHasher, "time_cost", 2)
        sign_in(client, "rosa", PASSWORD)
        after = User.objects.get(pk=rosa.pk)
        assert after.password != before and after.must_change_password
        assert client.get("/")["Location"] in (CHANGE, "/accounts/login/?next=/")

    def test_asked_twice_is_one_effect(self, boss: User, rosa: User) -> None:
        ask(boss, rosa)
        version = User.objects.get(pk=rosa.pk).access_version
        assert ask(boss, rosa) == []
        assert User.objects.get(pk=rosa.pk).access_version == version


class TestAdmin:
    @pytest.fixture
    def page(self, boss: User, client: Client) -> Client:
        client.force_login(boss)
        return client

    def act(self, page: Client, action: str, *users: User) -> str:
        chosen = {"action": action, "_selected_action": [user.pk for user in users]}
        return page.post("/admin/accounts/user/", chosen, follow=True).content.decode()

    def test_actions_and_what_the_list_shows(self, page: Client, rosa: User) -> None:
        lock_out()
        assert "locked after failed sign-ins" in page.get("/admin/accounts/user/").content.decode()
        found = page.get("/admin/accounts/user/?sign_in=locked").context["cl"].result_list
        assert list(found) == [rosa]
        assert "1 user unlocked." in self.act(page, "unlock", rosa)
        assert "None of them had failed to sign in." in self.act(page, "unlock", rosa)
        assert "1 user signed out; at the next sign-in" in self.act(page, "require_new_password", rosa)
        assert "have to choose a new password already" in self.act(page, "require_new_password", rosa)
        found = page.get("/admin/accounts/user/?sign_in=password").context["cl"].result_list
        assert list(found) == [rosa]
        assert page.get("/admin/accounts/user/?sign_in=never").status_code == 200
        assert "must choose a new password" in page.get(f"/admin/accounts/user/{rosa.pk}/change/").content.decode()

    def test_the_list_costs_the_same_with_more_users(self, page: Client) -> None:
        make_user("sales_rep")
        page.get("/admin/accounts/user/")
        few = count_queries(page, "/admin/accounts/user/")
        for _ in range(5):
            make_user("sales_rep", manager=make_user("manager"))
        assert count_queries(page, "/admin/accounts/user/") == few


def test_people_who_were_not_asked_notice_nothing(client: Client, rosa: User, boss: Any) -> None:
    client.force_login(rosa)
    assert client.get("/").status_code == 200
