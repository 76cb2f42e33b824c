"""The product grid of one customer's matrix: tick what they buy, with prices and order quantities, in one form."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from masterdata import services
from masterdata.admin.asking import DayInput
from masterdata.admin.base import MasterdataAdmin
from masterdata.filters import of_group
from masterdata.models import Customer, MatrixEntry, Product, ProductGroup
from masterdata.services import Terms, Wanted
from sop_portal.lib.errors import DomainError, Refused
from sop_portal.lib.language import decimal_mark
from sop_portal.lib.numbers import MAX_QUANTITY, parse_number
from sop_portal.lib.paging import pager

PER_PAGE = 200
SHOWS = {"": "All products", "bought": "What they buy", "other": "What they do not buy"}
# Field of the form -> name in the terms, decimals and largest value.
NUMBERS: Mapping[str, tuple[str, int, Decimal]] = {
    "price": ("unit_price", 4, Decimal("9999999999.9999")),
    "low": ("minimum_order_quantity", 6, MAX_QUANTITY),
    "high": ("maximum_order_quantity", 6, MAX_QUANTITY),
}


class DayForm(forms.Form):
    """From when new prices hold."""

    valid_from = forms.DateField(label="New prices hold from", widget=DayInput)


@dataclass
class Row:
    """One product as the page shows it. texts: what stands in its number fields; seen: what the form remembers."""

    product: Product
    ticked: bool
    texts: dict[str, str]
    seen: str
    error: str = ""


@dataclass
class Sheet:
    """What was sent: the edits that could be read, and what could not be, product -> sentence."""

    wanted: list[Wanted] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    texts: dict[int, tuple[bool, dict[str, str], str]] = field(default_factory=dict)


def view(page: MasterdataAdmin, request: HttpRequest, customer: Customer) -> HttpResponse:
    """The grid, and its saving; a refused one comes back as it was typed, with the sentences beside the rows."""
    today = timezone.localdate()
    sheet, status = Sheet(), 200
    form = DayForm(request.POST or None, initial={"valid_from": today})
    if request.method == "POST":
        status = 422
        sheet = _read(request)
        seen_on = _day(request.POST.get("seen_on", "")) or today
        if form.is_valid() and not sheet.refused:
            try:
                saved = services.set_matrix(
                    customer.pk,
                    sheet.wanted,
                    valid_from=form.cleaned_data["valid_from"],
                    seen_on=seen_on,
                    by=request.user,
                )
            except DomainError as refusal:
                status = refusal.status
                if "valid_from" in _lines(refusal):
                    form.add_error("valid_from", refusal.detail)
                sheet.refused = {key: text for key, text in _lines(refusal).items() if isinstance(key, int)}
                page.message_user(request, _told(refusal, sheet), messages.ERROR)
            else:
                page.message_user(request, _done(saved), messages.SUCCESS)
                if saved.prices:
                    page.tell_notices(request)
                return redirect(request.get_full_path())
        elif sheet.refused:
            page.message_user(
                request, f"Nothing was saved: {len(sheet.refused):,} rows need another look.", messages.ERROR
            )
    query = _query(request)
    products = Paginator(_products(customer, **query), PER_PAGE).get_page(request.GET.get("page"))
    terms = services.terms_of(customer, [product.pk for product in products], today)
    return page.page(
        request, "masterdata/admin/matrix.html", f"What {customer} buys", status=status,
        customer=customer, form=form, rows=[_row(product, terms, sheet) for product in products], query=query,
        groups=ProductGroup.objects.order_by("code"), shows=SHOWS.items(), seen_on=today,
        pager=pager(products, request.GET, "product"), media=page.media + form.media,
        back=reverse("admin:masterdata_customer_change", args=[customer.pk]),
    )  # fmt: skip


def _query(request: HttpRequest) -> dict[str, str]:
    """The filters in the address; what makes no sense is none."""
    group, show = request.GET.get("group", ""), request.GET.get("show", "")
    return {
        "find": request.GET.get("find", "").strip()[:60],
        "group": group if group.isascii() and group.isdigit() and len(group) < 19 else "",
        "show": show if show in SHOWS else "",
    }


def _products(customer: Customer, find: str, group: str, show: str) -> Any:
    """Active products and those the customer has an entry of, those they buy first."""
    entries = MatrixEntry.objects.filter(customer=customer, product=OuterRef("pk"))
    products = Product.objects.annotate(
        has_entry=Exists(entries), is_bought=Exists(entries.filter(is_active=True))
    ).filter(Q(is_active=True) | Q(has_entry=True))
    for word in find.split()[:5]:
        products = products.filter(Q(item_code__icontains=word) | Q(description__icontains=word))
    if group:
        products = products.filter(of_group(int(group), "pk"))
    if show:
        products = products.filter(is_bought=show == "bought")
    return products.select_related("group").order_by("-is_bought", "item_code")


def _row(product: Product, terms: Mapping[int, Terms], sheet: Sheet) -> Row:
    known = terms.get(product.pk, Terms())
    if product.pk in sheet.texts:
        ticked, texts, seen = sheet.texts[product.pk]
        return Row(product, ticked, texts, seen, sheet.refused.get(product.pk, ""))
    texts = {
        name: _text(getattr(known, target), 2 if name == "price" else 0) for name, (target, _, _) in NUMBERS.items()
    }
    return Row(product, known.is_active, texts, _remembered(known))


def _text(value: Decimal | None, places: int = 0) -> str:
    """A number for a field, with at least so many decimals: "12.50" for a price."""
    if value is None:
        return ""
    text = f"{value.normalize():f}"
    return f"{value:.{places}f}" if len(text.partition(".")[2]) < places else text


def _remembered(terms: Terms) -> str:
    """What the page showed, for telling later whether somebody else changed it: "1|5||12.5"."""
    parts = ["1" if terms.is_active else "0"]
    return "|".join([*parts, *(_text(getattr(terms, target)) for target, _, _ in NUMBERS.values())])


def _recalled(text: str) -> Terms | None:
    """The terms that `_remembered` wrote; None for what it did not."""
    parts = text.split("|")
    if len(parts) != 1 + len(NUMBERS) or parts[0] not in ("0", "1"):
        return None
    try:
        values = {
            target: Decimal(part) if part else None
            for part, (target, _, _) in zip(parts[1:], NUMBERS.values(), strict=True)
        }
    except InvalidOperation:
        return None
    if any(value is not None and not value.is_finite() for value in values.values()):
        return None
    return Terms(is_active=parts[0] == "1", **values)


def _read(request: HttpRequest) -> Sheet:
    """The rows that were sent. Names: seen-<product>, tick-<product>, price-, low- and high-<product>."""
    sheet, mark = Sheet(), decimal_mark(request)
    for name, seen_text in request.POST.items():
        head, _, number = name.partition("-")
        if head != "seen" or not (number.isascii() and number.isdigit() and len(number) < 19):
            continue
        pk = int(number)
        texts = {part: str(request.POST.get(f"{part}-{pk}", "")) for part in NUMBERS}
        ticked = f"tick-{pk}" in request.POST
        sheet.texts[pk] = (ticked, texts, str(seen_text))
        seen = _recalled(str(seen_text))
        if seen is None:
            sheet.refused[pk] = "This row could not be read; reload the page."
            continue
        try:
            values = {
                target: parse_number(texts[part], mark, max_decimals=places, max_value=largest).value
                for part, (target, places, largest) in NUMBERS.items()
            }
        except Refused as refusal:
            sheet.refused[pk] = refusal.detail
            continue
        sheet.wanted.append(Wanted(pk, seen, Terms(is_active=ticked, **values)))
    return sheet


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _lines(refusal: DomainError) -> Mapping[Any, str]:
    return refusal.lines if isinstance(refusal, Refused) else {}


def _told(refusal: DomainError, sheet: Sheet) -> str:
    if sheet.refused:
        return (
            f"Nothing was saved: {len(sheet.refused):,} row{'' if len(sheet.refused) == 1 else 's'} need another look."
        )
    return refusal.detail


def _done(saved: services.Saved) -> str:
    """ "3 products added, 2 changed, 4 prices written." """
    parts = [
        f"{count:,} {word}{'' if count == 1 else 's'} {verb}"
        for count, word, verb in (
            (saved.created, "product", "added"), (saved.changed, "entry", "changed"), (saved.prices, "price", "written"),
        )
        if count
    ]  # fmt: skip
    return (
        f"{', '.join(parts).replace('entrys', 'entries')}." if parts else "Nothing was different; nothing was written."
    )
