"""What every page shows around its content. Each part is computed when a template prints it, and not before."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject, cached_property

from sop_portal import conf, heartbeat
from sop_portal.lib.language import decimal_mark
from sop_portal.mail import health
from sop_portal.mail.models import Notification


class Portal:
    """The frame of one page: names, banners, the strip of the open cycle, the count beside Review."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def app_name(self) -> str:
        return str(conf.get("app_name"))

    @cached_property
    def company_name(self) -> str:
        return str(conf.get("company_name"))

    @cached_property
    def banners(self) -> list[tuple[str, str]]:
        """States that matter: (level, sentence); those of the machinery to whoever can see to it."""
        found = []
        if not conf.get("enable_audit_logging"):
            found.append("Audit logging is off: changes are not recorded. An administrator can switch it on again.")
        user = getattr(self._request, "user", None)
        if user is not None and user.has_perm("jobs.run_job") and (complaint := heartbeat.complaint()):
            found.append(complaint)
        if user is not None and user.has_perm("mail.view_outboxmail"):
            found += _mail_troubles()
        return [("bad", sentence) for sentence in found]

    @cached_property
    def unread_count(self) -> int:
        """Notices that this person has not read."""
        return Notification.objects.visible_to(self._request.user).unread().count()

    @cached_property
    def demo(self) -> bool:
        """Whether the portal shows the invented demo company."""
        from sop_portal import home

        return home.is_demo()

    @cached_property
    def strip(self) -> Any:
        """The open cycle as this person sees it, or None."""
        from sop_portal import home

        return home.strip(self._request)

    @cached_property
    def review_count(self) -> int:
        """Lines that wait for this person's decision."""
        from sop_portal import home

        return home.review_count(self._request)


def _mail_troubles() -> list[str]:
    """What keeps people from getting mail."""
    found = []
    if not conf.get("notification_email_enabled"):
        found.append("Mail is off: people find notices in the portal only. Settings, Notices switches it on again.")
    if stuck := health.stuck():
        found.append(f"Mail is stuck: {stuck.words} could not be sent for more than half an hour. See Admin, Mails.")
    return found


def portal(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `portal` and the decimal mark of the browser's language."""
    return {"portal": Portal(request), "decimal_mark": SimpleLazyObject(lambda: decimal_mark(request))}
