"""`manage.py create_admin EMAIL` prints a one-use link with which an administrator chooses a password."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.context import acting
from sop_portal.accounts import services
from sop_portal.accounts.models import ADMINISTER, User
from sop_portal.accounts.tokens import password_link


class Command(BaseCommand):
    help = "Make EMAIL an administrator and print a one-use link for choosing the password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="", help="Full name of a new user.")
        parser.add_argument("--if-none", action="store_true", help="Do nothing when there is an active administrator.")

    def handle(self, *, email: str, name: str, if_none: bool, **options: Any) -> None:
        if if_none and User.objects.active().with_permission(ADMINISTER).exists():
            self.stderr.write("There is an active administrator already; nothing was changed.")
            return
        try:
            with acting("system", source="command"):
                user, created = services.make_admin(email, name)
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from problem
        minutes = settings.PASSWORD_RESET_TIMEOUT // 60
        self.stderr.write(
            f"{user.email} {'is now a user' if created else 'was a user'} with the role admin. "
            f"The link below works once and for {minutes} minutes."
        )
        self.stdout.write(password_link(user))
