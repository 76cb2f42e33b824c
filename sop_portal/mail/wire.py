"""One mail over the wire, and what its end means: delivered, refused for good, or to be tried again."""

import base64
import contextlib
import enum
import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formataddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from sop_portal import conf
from sop_portal.mail.backends import ConfiguredSmtpBackend
from sop_portal.mail.models import OutboxMail
from sop_portal.mail.rendering import Rendered


class Outcome(enum.Enum):
    """What became of an attempt: delivered, refused for good, put off by the server, cut in the middle, no server that
    listens, or a server that does not take mail from us at all."""

    SENT = "sent"
    REFUSED = "refused"
    LATER = "later"
    BROKEN = "broken"
    AWAY = "away"
    SENDER = "sender"


@dataclass(frozen=True)
class Result:
    """The outcome with a sentence for people; empty when the mail was sent."""

    outcome: Outcome
    sentence: str = ""


def sender() -> str:
    """The From line, of the portal's settings."""
    return formataddr((conf.get("from_name"), conf.get("from_email")))


def server() -> str:
    """The mail server as sentences name it."""
    return f"{conf.get('smtp_host')}:{conf.get('smtp_port')}"


def where() -> str:
    """Which way mail leaves: "through smtp.example.com:587"."""
    if settings.EMAIL_BACKEND.endswith(".MailFileBackend"):
        return f"as a file in {settings.EMAIL_FILE_PATH}"
    return f"through the mail server {server()}"


def message(mail: OutboxMail, written: Rendered, address: str) -> EmailMultiAlternatives:
    """The mail as it is sent. Raises ValueError for what cannot stand in a header."""
    # The two headers keep programs that answer for people who are away from answering a portal.
    headers = {"Message-ID": mail.message_id, "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
    made = EmailMultiAlternatives(written.subject, written.text, sender(), [address], headers=headers)
    made.attach_alternative(written.html, "text/html")
    for part in mail.attachments:
        made.attach(part["name"], base64.b64decode(part["content"]), part["type"])
    made.message()
    return made


class Wire:
    """A connection to the mail server that is opened when it is first needed and again after it broke."""

    def __init__(self) -> None:
        self._connection: BaseEmailBackend | None = None

    def send(self, made: EmailMultiAlternatives) -> Result:
        """Send one mail and say what became of it; raises nothing that a mail server may cause.

        A server that takes a mail and is cut off before its answer arrives has delivered it, which nobody here can
        know. The mail is then sent again, as RFC 5321 (4.1.1.4, 4.5.4.1) wants it: rather twice than never. It carries
        the same Message-ID, by which servers and mailboxes recognise the second copy.
        """
        try:
            if self._connection is None:
                self._connection = get_connection()
                self._connection.open()
        except (smtplib.SMTPException, OSError) as problem:
            self._drop()
            return Result(Outcome.AWAY, _unreachable(problem))
        try:
            self._connection.send_messages([made])
        except smtplib.SMTPRecipientsRefused as refusal:
            ((code, answer),) = refusal.recipients.values()
            return self._refused(code, answer, "the address")
        except smtplib.SMTPSenderRefused as refusal:
            self._drop()
            return Result(Outcome.SENDER, _answered(refusal.smtp_code, refusal.smtp_error, "the sender"))
        except smtplib.SMTPDataError as refusal:
            return self._refused(refusal.smtp_code, refusal.smtp_error, "the mail")
        except (smtplib.SMTPException, OSError) as problem:
            self._drop()
            return Result(Outcome.BROKEN, _cut(problem))
        except ValueError as problem:
            # An address that mail has no way to write; forms refuse it, other paths may not.
            self._drop()
            return Result(Outcome.REFUSED, f"No mail can be sent to this address: {_text(str(problem))}")
        if not isinstance(self._connection, ConfiguredSmtpBackend):
            self._connection = None
        return Result(Outcome.SENT)

    def close(self) -> None:
        """Say goodbye to the server, if it still listens."""
        if self._connection is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._connection.close()
            self._drop()

    def _refused(self, code: int, answer: bytes | str, what: str) -> Result:
        if code == 421:
            # "Closing": said in place of any answer, and about the server.
            self._drop()
            return Result(Outcome.AWAY, _answered(code, answer, "the connection"))
        return Result(Outcome.REFUSED if 500 <= code < 600 else Outcome.LATER, _answered(code, answer, what))

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if isinstance(connection, ConfiguredSmtpBackend):
            connection.drop()


@contextlib.contextmanager
def wire() -> Iterator[Wire]:
    """A connection for several mails."""
    opened = Wire()
    try:
        yield opened
    finally:
        opened.close()


def _text(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
    return " ".join(text.replace("\x00", "").split())[:500]


def _answered(code: int, answer: bytes | str, what: str) -> str:
    word = "refused" if code >= 500 else "put off"
    return f"The mail server {server()} {word} {what}: {code} {_text(answer)}"


def _unreachable(problem: Exception) -> str:
    if isinstance(problem, smtplib.SMTPAuthenticationError):
        return (
            f"The mail server {server()} did not accept SMTP_USER and SMTP_PASSWORD: "
            f"{problem.smtp_code} {_text(problem.smtp_error)}"
        )
    if isinstance(problem, smtplib.SMTPResponseException):
        return _answered(problem.smtp_code, problem.smtp_error, "the connection")
    if isinstance(problem, smtplib.SMTPNotSupportedError):
        wanted = "TLS, which SMTP_TLS asks for" if "STARTTLS" in str(problem) else "sign-in, which SMTP_USER asks for"
        return f"The mail server {server()} does not offer {wanted}."
    if isinstance(problem, TimeoutError) or isinstance(problem.__context__, TimeoutError):
        return f"The mail server {server()} did not answer in time."
    return f"The mail server {server()} could not be reached: {_text(str(problem)) or type(problem).__name__}"


def _cut(problem: Exception) -> str:
    # smtplib tells of a disconnection when it waited in vain.
    if isinstance(problem, TimeoutError) or isinstance(problem.__context__, TimeoutError):
        return f"The mail server {server()} stopped answering while the mail was sent."
    return f"The connection to the mail server {server()} broke: {_text(str(problem)) or type(problem).__name__}"
