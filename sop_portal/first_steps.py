"""The five steps that an empty portal shows to whoever sets it up."""

from typing import Any

from django.urls import reverse

from cycles.models import Cycle
from masterdata.models import Actual, MatrixEntry
from sop_portal.accounts.models import User
from sop_portal.conf.models import Setting


def first_steps(user: Any) -> list[dict[str, Any]]:
    """The steps with what is done; an empty list once a first cycle was opened."""
    if Cycle.objects.filter(kind=Cycle.Kind.NORMAL).exclude(status=Cycle.Status.DRAFT).exists():
        return []
    draft = Cycle.objects.filter(kind=Cycle.Kind.NORMAL).first()
    steps = [
        _step(
            "Settings", "Your company's name, its currency, and the time zone in which deadlines are meant.",
            "Open settings", reverse("admin:conf_setting_changelist"), Setting.objects.exists(),
        ),
        _step(
            "Users", "Sales reps and managers; each rep has a manager who reviews their lines.",
            "Create users", reverse("admin:accounts_user_changelist"),
            User.objects.visible_to(user).active().exclude(pk=user.pk).exists(),
        ),
        _step(
            "Master data", "Customers, products and prices come out of the planning workbooks you have used so far.",
            "Import a workbook", reverse("forecasts:legacy_upload"), MatrixEntry.objects.exists(),
        ),
        _step(
            "Actuals", "What was sold, by month. A first cycle also works without: then the old plan tells what is live.",
            "Import actuals", reverse("masterdata:import_start", args=["actuals"]), Actual.objects.exists(),
        ),
        _step(
            "First cycle", f"{draft} is a draft; open it for input." if draft else "Sixteen months, a deadline, and off it goes.",
            "Open the draft" if draft else "Create cycle",
            reverse("cycles:open", args=[draft.pk]) if draft else reverse("cycles:create"), False,
        ),
    ]  # fmt: skip
    # Actuals may come later, so they are never the step to take next.
    waiting = next(step for step in steps if not step["done"] and step["title"] != "Actuals")
    waiting["next"] = True
    return steps


def _step(title: str, text: str, action: str, url: str, done: bool) -> dict[str, Any]:
    return {"title": title, "text": text, "action": action, "url": url, "done": done}
