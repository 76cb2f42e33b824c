"""`manage.py seed_demo`: the invented demo company, for a portal that has nothing to show yet."""

import os
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from forecasts.demo.seed import NotEmpty, is_empty, seed
from forecasts.demo.size import Size

_DEFAULT = Size()


class Command(BaseCommand):
    help = (
        "Fill an empty local database with an invented company: people, products, customers, prices, sales, budget, "
        "published cycles and one open cycle. The same seed gives the same company on the same day. A customer buys "
        "12 to 13 products and has as many dormant ones; above 500 customers it is 10 and none."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name, words in (
            ("seed", "number that all chance is drawn from"),
            ("reps", "sales reps"),
            ("customers", "customers"),
            ("products", "products"),
            ("months", "months of actuals, up to last month"),
            ("cycles", "published cycles"),
        ):
            parser.add_argument(f"--{name}", type=int, default=getattr(_DEFAULT, name), help=f"{words} (%(default)s)")
        parser.add_argument("--if-empty", action="store_true", help="do nothing when the database is not empty")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.LOCAL:
            raise CommandError("The demo company is for SOP_ENV=local only; this is a production portal.")
        size = Size(**{name: options[name] for name in ("seed", "reps", "customers", "products", "months", "cycles")})
        if problem := size.problem():
            raise CommandError(problem)
        if options["if_empty"] and not is_empty():
            return
        password, given = os.environ.get("DEMO_PASSWORD", ""), True
        if not password:
            password, given = secrets.token_urlsafe(12), False
        try:
            company = seed(size, password)
        except NotEmpty as full:
            if options["if_empty"]:
                return
            raise CommandError("The database is not empty; the demo company goes into an empty one only.") from full
        if not given:
            keep_password(settings.VAR_DIR / "demo-password", password)
        shown = "as given in DEMO_PASSWORD" if given else password
        self.stdout.write(
            "The demo company is loaded. Sign in as admin@example.com, manager1@example.com, viewer@example.com or "
            f"rep1@example.com to rep{len(company.reps)}@example.com; the password of all is {shown}"
        )


def keep_password(path: Path, password: str) -> None:
    """Write the password into a file that only its owner reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{password}\n")
