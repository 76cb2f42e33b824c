"""The outbox in the admin: what waits, went, failed or was suppressed; sending again, a test mail, and all kinds."""

import base64
import hashlib
import re
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils import formats, timezone
from django.utils.html import format_html

from sop_portal.mail import kinds, rendering, sending, services
from sop_portal.mail.models import OutboxMail
from sop_portal.mail.wire import Outcome, where

NOT_KEPT = "Mail with a one-use link is written when it is sent, and its words are not kept."
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


class KindFilter(admin.SimpleListFilter):
    """Mails of one kind, by its name in words."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return sorted((name, kind_words(name)) for name in kinds.KINDS)

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutboxMail]) -> QuerySet[OutboxMail]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(OutboxMail)
class OutboxMailAdmin(admin.ModelAdmin):
    """Mails are looked at and sent again; nobody writes or changes one here."""

    list_display = ("subject", "user", "state", "created_at", "sent_at", "what_happened")
    list_filter = ("state", KindFilter)
    list_select_related = ("user",)
    search_fields = ("subject", "user__full_name", "user__email", "address", "message_id")
    show_full_result_count = False
    ordering = ("-created_at", "-pk")
    actions = ("send_again",)
    fieldsets = (
        (None, {"fields": ("subject", "user", "sent_to", "state", "what_happened")}),
        ("When", {"fields": ("created_at", "attempts", "next_attempt", "sent_at")}),
        ("What is in it", {"fields": ("kind_in_words", "files", "as_text", "as_html", "message_id")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Asked by the action: who may send again."""
        return services.may_send(request.user)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("test/", view(self.test_view), name="mail_test"),
            path("kinds/", view(self.kinds_view), name="mail_kinds"),
            path("kinds/<slug:name>/", view(self.kind_view), name="mail_kind"),
            path("kinds/<slug:name>/html/", view(self.kind_html), name="mail_kind_html"),
            path("<int:pk>/html/", view(self.mail_html), name="mail_html"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the test mail and the kinds beside its title."""
        tools = [{"label": "Kinds of mail", "url": reverse("admin:mail_kinds")}]
        if self.has_send_permission(request):
            tools.insert(0, {"label": "Send a test mail", "url": reverse("admin:mail_test")})
        return super().changelist_view(request, {"title": "Mails", "portal_tools": tools, **(extra_context or {})})

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """One mail; its HTML is shown in a frame of its own."""
        return framing(super().change_view(request, *args, **kwargs))

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """What the trail tells of a mail: that it was sent again."""
        return redirect("audit:history", "mail", object_id)

    # --- Columns and fields -------------------------------------------------------------------------------------------

    @admin.display(description="Kind", ordering="kind")
    def kind_in_words(self, mail: OutboxMail) -> str:
        """What kind it is."""
        return kind_words(mail.kind)

    @admin.display(description="What happened")
    def what_happened(self, mail: OutboxMail) -> str:
        """Why it failed, was suppressed or still waits."""
        return mail.error or "–"

    @admin.display(description="Address")
    def sent_to(self, mail: OutboxMail) -> str:
        """Where it went, or would go now."""
        return mail.address or str(mail.user.email)

    @admin.display(description="Next attempt")
    def next_attempt(self, mail: OutboxMail) -> str:
        """When it is tried next, while it waits."""
        if mail.state != OutboxMail.State.PENDING:
            return "none"
        return formats.localize(timezone.localtime(mail.next_attempt_at))

    @admin.display(description="Files")
    def files(self, mail: OutboxMail) -> str:
        """What goes along."""
        return ", ".join(part["name"] for part in mail.attachments) or "none"

    @admin.display(description="Text")
    def as_text(self, mail: OutboxMail) -> str:
        """The mail as text."""
        return format_html('<pre class="mail-text" tabindex="0">{}</pre>', mail.text) if mail.text else NOT_KEPT

    @admin.display(description="HTML")
    def as_html(self, mail: OutboxMail) -> str:
        """The mail as a mail program shows it."""
        if not mail.html:
            return NOT_KEPT
        url = reverse("admin:mail_html", args=[mail.pk])
        return format_html('<iframe class="mail-html" src="{}" title="The mail as HTML" sandbox></iframe>', url)

    # --- Acts ---------------------------------------------------------------------------------------------------------

    @admin.action(description="Send again", permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutboxMail]) -> None:
        """Queue what failed or was suppressed once more, and what waits at once."""
        again = services.send_again(queryset, by=request.user)
        if again:
            self.message_user(request, f"{_mails(again)} on the way again.")
        if again < queryset.count():
            left = "Mails that were sent, or are being sent, are left as they are."
            self.message_user(request, left, messages.WARNING)

    def test_view(self, request: HttpRequest) -> HttpResponse:
        """Send a mail to oneself while one waits, and show what the mail server said."""
        if not self.has_send_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            result = sending.send_test(request.user)
            level = messages.SUCCESS if result.outcome is Outcome.SENT else messages.ERROR
            self.message_user(request, result.sentence, level)
            return redirect("admin:mail_test")
        return self._page(request, "outbox/test_mail.html", "Send a test mail", where=where())

    def kinds_view(self, request: HttpRequest) -> HttpResponse:
        """Every kind of mail, and when it is sent."""
        rows = sorted((kind_words(name), kind) for name, kind in kinds.KINDS.items())
        return self._page(request, "outbox/kinds.html", "Kinds of mail", rows=rows)

    def kind_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """One kind with invented values."""
        kind, shown = self._sample(request, name)
        return framing(self._page(request, "outbox/kind.html", kind_words(name), kind=kind, shown=shown))

    def kind_html(self, request: HttpRequest, name: str) -> HttpResponse:
        """The HTML of that preview."""
        return html_page(self._sample(request, name)[1].html)

    def mail_html(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The HTML of one mail."""
        mail = self.get_object(request, str(pk))
        if mail is None or not self.has_view_permission(request, mail):
            raise Http404("No such mail.")
        return html_page(mail.html)

    def _sample(self, request: HttpRequest, name: str) -> tuple[kinds.Kind, rendering.Rendered]:
        if not self.has_view_permission(request):
            raise PermissionDenied
        kind = kinds.KINDS.get(name)
        if kind is None:
            raise Http404("No such kind.")
        return kind, rendering.render(kind, request.user, kind.sample)

    def _page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        frame = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return render(request, template, {**frame, **context})


def kind_words(name: str) -> str:
    """ "Password reset"."""
    return name.replace("_", " ").capitalize()


def framing(response: HttpResponse) -> HttpResponse:
    """An answer that may show a page of the portal in a frame."""
    response._csp_update = {"frame-src": ["'self'"]}  # type: ignore[attr-defined]
    return response


def html_page(html: str) -> HttpResponse:
    """A mail as a page of its own: only its own style element applies, and nothing runs or is fetched."""
    styles = [base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() for style in _STYLE.findall(html)]
    policy = {
        "default-src": ["'none'"],
        "style-src": [f"'sha256-{digest}'" for digest in styles] or ["'none'"],
        "frame-ancestors": ["'self'"],
        "sandbox": [""],
    }
    response = HttpResponse(html)
    # What the decorators of django-csp do to an answer, here for one policy per answer.
    response._csp_replace = policy  # type: ignore[attr-defined]
    response["X-Frame-Options"] = "SAMEORIGIN"
    return response


def _mails(count: int) -> str:
    return f"{count:,} mail is" if count == 1 else f"{count:,} mails are"
