"""How a mail leaves: by SMTP to the server of the settings, or as a file on a developer's machine."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend
from django.utils import timezone
from django.utils.crypto import get_random_string

from sop_portal import conf

# Here a server speaks TLS from the first byte (RFC 8314), at other ports after STARTTLS.
TLS_PORT = 465


class ConfiguredSmtpBackend(EmailBackend):
    """SMTP to the host and port of the portal's settings; user and password come from the environment."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["host"] = kwargs.get("host") or conf.get("smtp_host")
        kwargs["port"] = kwargs.get("port") or conf.get("smtp_port")
        if kwargs["port"] == TLS_PORT:
            kwargs |= {"use_ssl": True, "use_tls": False}
        super().__init__(**kwargs)

    def drop(self) -> None:
        """Let the connection go without a farewell, for which a server that hangs would be waited for."""
        self._partial_connection: Any
        for connection in (self.connection, self._partial_connection):
            if connection is not None:
                connection.close()
        self.connection = self._partial_connection = None


class MailFileBackend(BaseEmailBackend):
    """Each mail as a file in EMAIL_FILE_PATH that any mail program opens, named by its time, subject and recipient."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write the mails and return how many."""
        folder = Path(settings.EMAIL_FILE_PATH)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for message in email_messages:
            words = re.sub(r"[^a-z0-9]+", "-", f"{message.subject} {message.to[0]}".lower()).strip("-")
            name = f"{timezone.now():%Y%m%d-%H%M%S-%f}-{words[:100]}-{get_random_string(4)}.eml"
            folder.joinpath(name).write_bytes(message.message().as_bytes())
        return len(email_messages)
