"""Pages of the admin that ask first: a form, what it would do, and the button that does it."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from masterdata.admin.base import MasterdataAdmin
from sop_portal.lib.errors import DomainError, Refused


class DayInput(forms.DateInput):
    """The browser's own field for a day: it needs no script."""

    input_type = "date"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%d")


# An address holds so many keys; a server takes no longer one.
MOST_IDS = 300


def ids_in(text: str) -> list[int]:
    """The keys in an address such as `?ids=3,7`; what is none is left out."""
    return [int(part) for part in text.split(",") if part.isascii() and part.isdigit() and len(part) < 19]


def ask(
    page: MasterdataAdmin,
    request: HttpRequest,
    form: forms.Form,
    *,
    template: str,
    title: str,
    foresee: Callable[[Any], Any],
    do: Callable[[Any], str],
    then: str,
    verb: str,
    changes_prices: bool = False,
    **context: Any,
) -> HttpResponse:
    """Show the form; with its values what would happen (`foresee`), or let it happen (`do`, which says what it did).

    Both get the cleaned values. What a service refuses stands beside its field. then: where to go afterwards.
    """
    status, preview = 200, None
    if form.is_bound:
        status = 422
        if form.is_valid():
            try:
                if "apply" in request.POST:
                    page.message_user(request, do(form.cleaned_data), messages.SUCCESS)
                    if changes_prices:
                        page.tell_notices(request)
                    return redirect(then)
                preview, status = foresee(form.cleaned_data), 200
            except DomainError as refusal:
                status = refusal.status
                _put(form, refusal)
    shown = {"form": form, "preview": preview, "verb": verb, "then": then, **context}
    return page.page(request, template, title, status=status, media=page.media + form.media, **shown)


def _put(form: forms.Form, refusal: DomainError) -> None:
    """The sentence of a refusal beside the field that it names, else above the form."""
    lines = refusal.lines if isinstance(refusal, Refused) else {}
    if not lines or not set(lines) <= set(form.fields):
        form.add_error(None, refusal.detail)
        return
    for name, sentence in lines.items():
        form.add_error(name, sentence)
