"""The notices of a person: a list, marked as read one by one or all at once."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from sop_portal.lib import keyset
from sop_portal.mail import services
from sop_portal.mail.models import Notification

ORDER = ("-created_at", "-pk")


@require_safe
def notice_list(request: HttpRequest) -> HttpResponse:
    """The newest notices first, all or those not read yet."""
    own = Notification.objects.visible_to(request.user)
    only_unread = request.GET.get("show") == "unread"
    rows = own.unread() if only_unread else own
    page = keyset.Page(
        rows,
        ORDER,
        size=keyset.page_size(request.GET),
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
    )
    context = {
        "rows": page.rows,
        "unread": own.unread().count(),
        "only_unread": only_unread,
        "pager": keyset.pager(page, request.GET, keyset.count_text(rows, "notice")),
    }
    return render(request, "notices/notice_list.html", context)


@require_POST
def notice_read(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Mark one notice as read, or all of them, and go back to the list."""
    own = Notification.objects.visible_to(request.user)
    if pk is not None:
        own = own.filter(pk=pk)
        if not own.exists():
            raise Http404("No such notice.")
    read = services.mark_read(own)
    if request.headers.get("Sec-Fetch-Dest") == "empty":
        # A script tells that the link of the notice was followed; nobody looks at the answer.
        return HttpResponse(status=204)
    if pk is None and read:
        messages.success(request, f"{read:,} notice{' is' if read == 1 else 's are'} marked as read.")
    back = reverse("mail:notices")
    return redirect(f"{back}?show=unread" if request.POST.get("show") == "unread" else back)
