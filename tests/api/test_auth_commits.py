"""Signing in by the API as the database sees it: races, and what the trail keeps."""

import threading

import pytest
from django.db import connections

from audit.context import acting
from audit.models import Entry
from sop_portal.accounts import bearer
from sop_portal.accounts.models import TokenFamily
from tests.api.helpers import Program
from tests.api.test_auth import sign_in
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
