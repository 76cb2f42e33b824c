"""Queueing: in the transaction of the fact, once per key, set-based, and safe in every header."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.template import TemplateDoesNotExist
from django.test.utils import CaptureQueriesContext

from audit.context import acting
from sop_portal.conf.services import set_value
from sop_portal.mail import kinds, rendering
from sop_portal.mail.models import Notification, OutboxMail
from sop_portal.mail.services import Attachment, Letter, queue, queue_many
from tests.factories import make_user

pytestmark = pytest.mark.django_db
KIND = "mail_stuck"
STUCK: dict[str, Any] = {"count_words": "41 mails", "since": "Fri 27 Nov 2026, 09:04", "url": "/admin/mail/outboxmail/"}


def letters(users: list[Any], **context: Any) -> list[Letter]:
    return [Letter(user, f"day:{user.pk}", {**STUCK, **context}) for user in users]


def test_a_letter_becomes_a_mail_and_a_notice(settings: Any) -> None:
    settings.SITE_URL = "https://sop.example.com/"
    rosa = make_user(full_name="Rosa Meyer")
    queue(KIND, rosa, key="2026-11-27", context=STUCK)
    mail, notice = OutboxMail.objects.get(), Notification.objects.get()
    assert (mail.state, mail.user, mail.attempts) == ("pending", rosa, 0)
    assert mail.subject == notice.title == "41 mails waiting to be sent since Fri 27 Nov 2026, 09:04"
    assert "Hello Rosa," in mail.text and "Hello Rosa," in mail.html
    for body in (mail.text, mail.html):
        assert "https://sop.example.com/admin/mail/outboxmail/" in body
        assert "Open the outbox" in body
    assert kinds.COLOURS["red"] in mail.html
    assert (notice.user, notice.url, notice.read_at) == (rosa, "/admin/mail/outboxmail/", None)
    assert mail.message_id.endswith("@sopportal.com>")


def test_a_key_goes_once() -> None:
    rosa, other = make_user(), make_user()
    assert queue_many(KIND, letters([rosa])) == 1
    assert queue_many(KIND, letters([rosa, other])) == 1
    assert queue_many(KIND, letters([rosa, other])) == 0
    assert OutboxMail.objects.count() == Notification.objects.count() == 2


def test_nothing_is_queued_when_the_fact_is_rolled_back() -> None:
    rosa = make_user()
    with pytest.raises(RuntimeError), transaction.atomic():
        queue(KIND, rosa, key="x", context=STUCK)
        raise RuntimeError
    assert not OutboxMail.objects.exists() and not Notification.objects.exists()


def test_statements_do_not_depend_on_the_number_of_letters() -> None:
    counts = []
    for number in (1, 60):
        users = [make_user() for _ in range(number)]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            queue_many(KIND, letters(users))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 8


def test_switched_off_it_is_kept_as_suppressed_and_told_in_the_portal() -> None:
    rosa = make_user()
    with acting("system", source="command"):
        set_value("notification_email_enabled", False, by=None)
    queue(KIND, rosa, key="x", context=STUCK)
    mail = OutboxMail.objects.get()
    assert mail.state == "suppressed" and "switched off" in mail.error
    assert Notification.objects.filter(user=rosa).exists()


@pytest.mark.parametrize("url", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x"])
def test_a_link_stays_within_the_portal(url: str) -> None:
    rosa = make_user()
    with pytest.raises(ValueError, match="within the portal"):
        queue(KIND, rosa, key="x", context={**STUCK, "url": url})
    with pytest.raises(IntegrityError), transaction.atomic():
        Notification.objects.create(kind="x", key="x", user=rosa, title="x", url=url, created_at="2026-11-27T00:00Z")


def test_what_a_name_holds_never_starts_a_header() -> None:
    queue(KIND, make_user(), key="x", context={**STUCK, "since": "noon\r\nBcc: all@example.com\x00\u202e\u2028x"})
    subject = OutboxMail.objects.get().subject
    assert subject == "41 mails waiting to be sent since noon Bcc: all@example.com x"
    assert rendering.one_line("long " * 100).endswith("…") and len(rendering.one_line("long " * 100)) == 200


def test_markup_in_a_name_is_text() -> None:
    queue(KIND, make_user(full_name="<b>Rosa"), key="x", context={**STUCK, "error": "<script>x & y"})
    mail = OutboxMail.objects.get()
    assert "<script>" not in mail.html and "&lt;script&gt;x &amp; y" in mail.html
    assert "<script>x & y" in mail.text and "Hello <b>Rosa," in mail.text


def test_attachments_are_kept_and_bounded() -> None:
    rosa = make_user()
    queue(KIND, rosa, key="x", context=STUCK, attachments=[Attachment("deadline.ics", b"BEGIN", "text/calendar")])
    assert OutboxMail.objects.get().attachments == [
        {"name": "deadline.ics", "type": "text/calendar", "content": "QkVHSU4="}
    ]
    with pytest.raises(ValueError, match="too large"):
        queue(KIND, rosa, key="y", context=STUCK, attachments=[Attachment("big.bin", b"x" * 200_001, "x/y")])
    with pytest.raises(ValueError, match="key of a letter"):
        queue(KIND, rosa, key="y" * 201, context=STUCK)
    with pytest.raises(KeyError):
        queue("no_such_kind", rosa, key="y", context=STUCK)


class TestKinds:
    @pytest.mark.parametrize("name", sorted(kinds.KINDS))
    def test_has_words_in_text_and_html(self, name: str) -> None:
        kind, rosa = kinds.find(name), make_user(full_name="Rosa Meyer")
        context = {**kind.sample, **(kind.complete(rosa, kind.sample) if kind.complete else {})}
        mail = rendering.render(kind, rosa, context)
        assert mail.subject and "\n" not in mail.subject
        assert "Rosa" in mail.text and "Rosa" in mail.html
        # No picture and nothing fetched: neither tells the sender that the mail was read.
        for word in ("<img", "<link", "url(", "<script", "style="):
            assert word not in mail.html
        assert "  \n" not in mail.text and "\n\n\n" not in mail.text

    def test_each_template_belongs_to_a_kind(self, settings: Any) -> None:
        names = {path.name for path in (settings.BASE_DIR / "templates/mail").iterdir()} - {"base.html", "base.txt"}
        wanted = {f"{name}{end}" for name in kinds.KINDS for end in ("_subject.txt", ".txt", ".html")}
        assert {name for name in names if not name.startswith("_")} == wanted

    def test_a_kind_without_words_is_noticed_at_once(self) -> None:
        with pytest.raises(TemplateDoesNotExist):
            rendering.render(kinds.Kind(name="wordless", colour="blue", help=""), make_user(), {})
        with pytest.raises(ValueError, match="no colour"):
            kinds.declare(kinds.Kind(name="pink", colour="pink", help=""))
        assert "pink" not in kinds.KINDS

    def test_white_can_be_read_on_every_colour(self) -> None:
        def luminance(colour: str) -> float:
            parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
            red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
            return 0.2126 * red + 0.7152 * green + 0.0722 * blue

        assert all(1.05 / (luminance(colour) + 0.05) >= 5 for colour in kinds.COLOURS.values())
