"""Signing in by the API as the database sees it: races, and what the trail keeps."""

import threading
import time
from functools import partial

import pytest
from django.db import connections, transaction

from audit.context import acting
from audit.models import Entry
from sop_portal.accounts import bearer
from sop_portal.accounts.models import TokenFamily, User
from sop_portal.accounts.services import revoke_access
from sop_portal.accounts.tokens import password_link
from tests.api.helpers import PASSWORD, Program
from tests.api.test_auth import sign_in
from tests.concurrency.test_races import at_once
from tests.factories import make_user


@pytest.mark.usefixtures("committed")
def test_coming_and_going_stand_in_the_trail() -> None:
    user = make_user("sales_rep")
    tokens = sign_in(user.email).json()
    sign_in(user.email, "wrong password")
    Program(tokens["access"])("POST", "/auth/logout")
    found = Entry.objects.filter(source="api").order_by("id").values_list("action", "actor_id", "entity_id")
    who = str(user.pk)
    assert list(found) == [
        ("user_login", user.pk, who), ("user_login_failed", None, who), ("user_logout", user.pk, who),
    ]  # fmt: skip


@pytest.mark.usefixtures("committed")
def test_a_new_password_by_the_api_stands_in_the_trail_as_such() -> None:
    user = make_user("sales_rep")
    body = {"old_password": PASSWORD, "new_password": "another garlic press"}
    assert Program(sign_in(user.email).json()["access"])("POST", "/auth/change-password", body).status_code == 204
    entry = Entry.objects.get(action="user_password_changed")
    assert (entry.source, entry.actor_id, entry.entity_id) == ("api", user.pk, str(user.pk))


@pytest.mark.usefixtures("committed")
def test_a_link_that_is_followed_three_times_at_once_sets_one_password() -> None:
    user = make_user("sales_rep")
    key = password_link(user).rstrip("/").rpartition("/")[2]
    bodies = [{"key": key, "new_password": f"garlic press number {number}"} for number in range(3)]
    answers = at_once(*[partial(Program(), "POST", "/auth/password-reset/confirm", body) for body in bodies])
    statuses = [answer.status_code for answer in answers]
    # Whoever comes late finds the link used, or that it was used meanwhile.
    assert statuses.count(204) == 1
    assert set(statuses) <= {204, 409, 422}
    user.refresh_from_db()
    assert user.check_password(bodies[statuses.index(204)]["new_password"])
    assert Entry.objects.filter(action="user_password_changed").count() == 1


@pytest.mark.usefixtures("committed")
def test_of_two_who_end_the_access_of_one_person_at_once_both_count() -> None:
    """One reads the version of the access, the other raises it: what is signed in between must not outlive the first."""
    user = make_user("sales_rep")
    version = user.access_version

    def choose() -> None:
        with acting("system", source="command"):
            one = User.objects.get(pk=user.pk)
            one.set_password("another garlic press")
            one.save(update_fields=["password"])
        connections.close_all()

    thread = threading.Thread(target=choose)
    with transaction.atomic(), connections["default"].cursor() as cursor, acting("system", source="command"):
        revoke_access([user.pk])
        thread.start()
        blocked = 0
        while not blocked:
            time.sleep(0.01)
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            (blocked,) = cursor.fetchone()
    thread.join()
    user.refresh_from_db()
    assert user.access_version == version + 2


@pytest.mark.usefixtures("committed")
def test_of_two_exchanges_at_once_one_succeeds_and_the_family_ends() -> None:
    with acting("system", source="command"):
        user = make_user("sales_rep")
    pair = bearer.issue(user)
    start = threading.Barrier(2)
    found: list[str] = []

    def exchange() -> None:
        start.wait()
        try:
            with acting("system", source="api"):
                bearer.refresh(pair.refresh)
            found.append("exchanged")
        except bearer.NotSignedIn:
            found.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=exchange) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["exchanged", "refused"]
    assert TokenFamily.objects.get().revoked_at is not None
