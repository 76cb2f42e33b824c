"""A real mail server in a thread, which can be told to misbehave."""

import asyncio
import contextlib
import email
import email.policy
import logging
import socket
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from audit.context import acting
from sop_portal.conf.services import set_value

# Seconds for which the portal waits for an answer: the busiest machine gives one, or a test of hanging goes on.
PATIENT, IMPATIENT = 20, 0.3

# What a server may do with a mail: the answer to RCPT, or a way to behave.
OK, CUT_AFTER_DATA, CUT_BEFORE_DATA, HANG, REFUSE_DATA = "ok", "cut after data", "cut before data", "hang", "554 data"


logging.getLogger("mail.log").setLevel(logging.ERROR)


class Behaviour:
    """Keeps what it took; `choose` says what happens to the next mail: a word above, or an answer to RCPT."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.cut: list[str] = []
        self.choose: Callable[[str], str] = lambda address: OK
        # The answer to MAIL, which is about the sender.
        self.to_sender = "250 OK"
        self._now = OK

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        envelope.mail_from = address
        return self.to_sender

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        self._now = self.choose(address)
        if self._now == HANG:
            await asyncio.sleep(60)
        if self._now == CUT_BEFORE_DATA:
            server.transport.abort()
        if self._now[:1].isdigit() and self._now != REFUSE_DATA:
            return self._now
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self._now == REFUSE_DATA:
            return self._now
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)  # type: ignore[arg-type]
        self.taken.append(message)  # type: ignore[arg-type]
        if self._now == CUT_AFTER_DATA:
            self.cut.append(message["Message-ID"])
            server.transport.abort()
        return "250 OK"

    def ids(self) -> list[str]:
        """Message-IDs in the order in which the mails came."""
        return [message["Message-ID"] for message in self.taken]


class Server:
    """Up and down at one port."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._controller: Controller | None = None

    def up(self) -> None:
        if self._controller is None:
            self._controller = Controller(self.behaviour, hostname="127.0.0.1", port=self.port)
            self._controller.start()

    def down(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None


@contextlib.contextmanager
def mail_server(settings: Any) -> Iterator[Server]:
    """A server that is up, and the portal sending to it."""
    server = Server()
    settings.EMAIL_BACKEND = "sop_portal.mail.backends.ConfiguredSmtpBackend"
    settings.EMAIL_USE_TLS, settings.EMAIL_TIMEOUT = False, PATIENT
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    with acting("system", source="command"):
        set_value("smtp_host", "127.0.0.1", by=None)
        set_value("smtp_port", server.port, by=None)
    server.up()
    try:
        yield server
    finally:
        server.down()
