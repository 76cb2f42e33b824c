"""The pages on which people make and revoke the tokens of their programs."""

import datetime as dt
import html
import logging
import re
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit.context import acting
from audit.models import Entry
from sop_portal.accounts import bearer
from sop_portal.accounts.models import PersonalToken
from tests.api.helpers import Program, program_of
from tests.factories import make_user
from tests.world import next_transaction

pytestmark = pytest.mark.django_db

TOKENS = "/accounts/tokens/"
WANTED = {"name": "Nightly load", "scopes": ["read", "write"], "days": "30"}


@pytest.fixture
def user(client: Client) -> Any:
    user = make_user("sales_rep")
    client.force_login(user)
    return user


def made(user: Any, name: str = "Nightly load", days: int = 30) -> tuple[PersonalToken, str]:
    with acting(user, source="web"):
        return bearer.create_token(user, name=name, scopes=["read"], days=days)


def shown(answer: Any) -> list[str]:
    """The texts of tokens on a page."""
    return re.findall(r"sop_[\w-]{20,}", answer.content.decode())


def words(answer: Any) -> str:
    """What a page says, without its markup."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def revoke(token: PersonalToken) -> str:
    return reverse("accounts:token_revoke", args=[token.pk])


def test_a_token_is_made_shown_once_and_works(client: Client, user: Any, caplog: Any) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = client.post(TOKENS, WANTED)
    assert answer.status_code == 201
    assert "no-store" in answer["Cache-Control"]
    (text,) = shown(answer)
    assert "This is the only time it is shown" in words(answer)
    token = PersonalToken.objects.get()
    assert (token.user, token.name, token.scopes) == (user, "Nightly load", ["read", "write"])
    assert token.expires_at - token.created_at == dt.timedelta(days=30)
    assert Program(text)("GET", "/auth/me").json()["id"] == user.pk

    later = client.get(TOKENS)
    assert shown(later) == []
    assert "One of your tokens is valid" in words(later)
    assert f"Nightly load read, write {token.hint}" in words(later)
    kept = [caplog.text, str(answer.headers), *(str(row) for row in Entry.objects.values())]
    kept += [str(session.get_decoded()) for session in Session.objects.all()]
    assert [place for place in kept if text in place] == []
    assert mail.outbox == []


def test_sent_again_it_is_refused_and_shows_no_text(client: Client, user: Any) -> None:
    client.post(TOKENS, WANTED)
    again = client.post(TOKENS, WANTED)
    assert (again.status_code, shown(again)) == (409, [])
    assert "You have a token named 'Nightly load'; revoke it first, or choose another name." in words(again)
    assert PersonalToken.objects.count() == 1


def test_page_and_api_write_the_same_into_the_trail(client: Client, user: Any) -> None:
    def told(source: str) -> list[Any]:
        entries = Entry.objects.filter(entity_type="token", source=source).order_by("pk")
        return [(one.action, one.actor_id, sorted(one.changes)) for one in entries]

    client.post(TOKENS, WANTED)
    next_transaction()
    client.post(revoke(PersonalToken.objects.get()))
    program = program_of(user)
    by_api = program("POST", "/tokens", {"name": "By the API", "scopes": ["read"], "days": 30}).json()
    next_transaction()
    program("DELETE", f"/tokens/{by_api['id']}")
    assert len(told("web")) == 2
    assert told("web") == told("api")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"days": "0"}, "A token lasts 1 to 366 days."),
        ({"days": "367"}, "A token lasts 1 to 366 days."),
        ({"days": "9" * 5000}, "Enter a whole number."),
        ({"days": "soon"}, "Enter a whole number."),
        ({"scopes": []}, "Choose reading, writing or both."),
        ({"scopes": ["delete"]}, "delete is not one of the available choices"),
        ({"name": " "}, "This field is required."),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"name": "a\u202eb"}, "The text holds the invisible character U+202E; type it again without."),
        ({"name": "a\0b"}, "Null characters are not allowed."),
    ],
)
def test_what_makes_no_token_is_told_beside_its_field(
    client: Client, user: Any, changed: dict[str, Any], sentence: str
) -> None:
    answer = client.post(TOKENS, {**WANTED, **changed})
    (field,) = changed
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, [field])
    assert sentence in words(answer)
    assert not PersonalToken.objects.exists()


def test_an_empty_form_is_refused(client: Client, user: Any) -> None:
    answer = client.post(TOKENS)
    assert (answer.status_code, len(answer.context["form"].errors)) == (422, 3)


def test_a_token_is_revoked_after_a_question(client: Client, user: Any) -> None:
    token, text = made(user)
    asked = client.get(revoke(token))
    assert "Revoke “Nightly load”?" in words(asked)
    assert Program(text)("GET", "/auth/me").status_code == 200
    answer = client.post(revoke(token), follow=True)
    assert answer.redirect_chain == [(TOKENS, 302)]
    assert "“Nightly load” is revoked" in words(answer)
    assert "No program has a valid token of yours" in words(answer)
    assert Program(text)("GET", "/auth/me").status_code == 401

    token.refresh_from_db()
    at, entries = token.revoked_at, Entry.objects.count()
    next_transaction()
    assert client.post(revoke(token)).status_code == 302
    token.refresh_from_db()
    assert (token.revoked_at, Entry.objects.count()) == (at, entries)
    assert "is revoked already" in words(client.get(revoke(token)))
    assert client.post(TOKENS, WANTED).status_code == 201


def test_somebody_elses_token_is_not_there(client: Client, user: Any) -> None:
    token, text = made(make_user("viewer"), "CANARY")
    assert b"CANARY" not in client.get(TOKENS).content
    for address in (revoke(token), f"{TOKENS}999999/revoke/", f"{TOKENS}99999999999999999999/revoke/"):
        assert client.get(address).status_code == 404
        assert client.post(address).status_code == 404
    client.force_login(make_user("admin"))
    assert client.post(revoke(token)).status_code == 404
    assert Program(text)("GET", "/auth/me").status_code == 200


def test_a_token_opens_neither_page(user: Any) -> None:
    token, text = made(user)
    for shown_token in (text, bearer.issue(user).access):
        headers = {"Authorization": f"Bearer {shown_token}"}
        for address in (TOKENS, revoke(token)):
            answer = Client().post(address, {**WANTED, "name": "Another"}, headers=headers)
            assert answer["Location"].startswith("/accounts/login/")
    assert list(PersonalToken.objects.values_list("name", "revoked_at")) == [("Nightly load", None)]


def test_a_form_of_another_page_is_refused(user: Any) -> None:
    token, _ = made(user)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post(TOKENS, {**WANTED, "name": "Another"}).status_code == 403
    assert strict.post(revoke(token)).status_code == 403
    assert list(PersonalToken.objects.values_list("name", "revoked_at")) == [("Nightly load", None)]


def test_whoever_has_to_choose_a_password_does_that_first(client: Client, user: Any) -> None:
    user.must_change_password = True
    with acting(user, source="web"):
        user.save(update_fields=["must_change_password"])
    assert client.post(TOKENS, WANTED)["Location"] == reverse("account_change_password")
    assert not PersonalToken.objects.exists()


def test_the_state_of_a_token_is_what_the_api_makes_of_it(user: Any) -> None:
    made(user, "valid", 30)
    made(user, "expired", 1)
    ended, revoked = made(user, "ended")[0], made(user, "revoked")[0]
    with acting(user, source="web"):
        bearer.revoke_token(user, revoked.pk)
    PersonalToken.objects.filter(pk=ended.pk).untracked().update(access_version=user.access_version + 1)
    now = timezone.now() + dt.timedelta(days=1)
    assert {token.name: token.state(now) for token in PersonalToken.objects.all()} == {
        name: name for name in ("valid", "expired", "revoked", "ended")
    }
    assert [token.name for token in PersonalToken.objects.valid(now)] == ["valid"]
    with acting("system", source="command"):
        user.is_active = False
        user.save(update_fields=["is_active"])
    assert not PersonalToken.objects.valid(now).exists()
    assert "valid" not in {token.state(now) for token in PersonalToken.objects.all()}


def test_the_list_says_why_a_token_is_not_accepted(client: Client, user: Any) -> None:
    made(user, "Old", 1)
    past, _ = made(user, "Past")
    PersonalToken.objects.filter(pk=past.pk).untracked().update(access_version=user.access_version + 1)
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(days=1, seconds=5), tick=False):
        client.force_login(user)
        told = words(client.get(TOKENS))
        assert "No program has a valid token of yours" in told
        assert "ended with your former password or roles Revoke Past" in told
        assert "expired Revoke Old" in told
        assert "Revoking it makes its name free" in words(client.get(revoke(past)))


def test_a_long_list_has_pages_and_costs_the_same(client: Client, user: Any) -> None:
    made(user, "First")
    client.get(TOKENS)
    with CaptureQueriesContext(
        connection,
    ) as one:
        client.get(TOKENS)
    for number in range(59):
        made(user, f"Job {number:02}")
    with CaptureQueriesContext(connection) as many:
        page = client.get(TOKENS)
    assert len(many) == len(one)
    assert len(page.context["rows"]) == 50
    assert "60 tokens" in words(page)
    rest = client.get(TOKENS + page.context["pager"]["next_url"])
    assert [token.name for token, _ in rest.context["rows"]][-1] == "First"
    assert len(rest.context["rows"]) == 10


@pytest.mark.parametrize("address", ["/", "/api/docs", "/api/guide"])
def test_it_is_reached_from_the_menu_and_where_tokens_are_explained(client: Client, user: Any, address: str) -> None:
    places = client.get(address).content.decode().count(f'href="{TOKENS}"')
    assert places == (1 if address == "/" else 2)
