"""The search of the top bar: customers, products, cycles and pages that a person may open."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from django.db.models import Case, IntegerField, Q, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from cycles.models import Cycle
from masterdata.models import Customer, Product
from sop_portal.lib.htmx import wants_fragment

LONGEST = 100
# Of each kind; whoever needs more narrows the search or opens the list.
MOST = 6


@dataclass(frozen=True)
class Hit:
    """One thing to go to. is_exact: its code is just what was searched for."""

    title: str
    detail: str
    url: str
    is_exact: bool = False


@dataclass(frozen=True)
class Group:
    """Hits of one kind. more: where all of them are, "" when these are all."""

    title: str
    hits: list[Hit]
    more: str = ""


# Words by which people look for a page, its title, its address, and the permission it needs ("" for everybody).
PAGES = (
    ("start", "Home", "home", ""),
    ("grid plan lines", "Forecast", "forecasts:list", "forecasts.edit_own_lines"),
    ("approve decide queue", "Review", "forecasts:review", "forecasts.decide_team_lines|forecasts.decide_any_line"),
    (
        "who is where late progress remind participants",
        "Submission board",
        "forecasts:board",
        "masterdata.view_team_customers|masterdata.view_all_customers",
    ),
    ("rounds deadline", "Cycles", "cycles:list", "cycles.view_cycle"),
    ("difference change against", "Compare two cycles", "forecasts:compare", "cycles.view_cycle"),
    ("create next", "New cycle", "cycles:create", "cycles.move_cycle"),
    ("buyers accounts", "Customers", "masterdata:customer_list", ""),
    ("items sku prices matrix", "Products", "masterdata:product_list", ""),
    ("actuals history sold revenue", "Sales history", "masterdata:sales_history", ""),
    ("budgeted target versions", "Budget", "masterdata:budget_list", ""),
    ("upload file load", "Imports", "masterdata:import_list", "masterdata.import_data"),
    ("trail log changes", "Audit trail", "audit:list", "audit.view_entry"),
    ("inbox messages told unread", "Notices", "mail:notices", ""),
    ("what I did", "My activity", "audit:mine", ""),
    ("name account time zone", "Profile and time zone", "accounts:profile", ""),
    ("api programs rest json examples", "Integration guide", "api-guide", ""),
    ("operations openapi swagger", "API, every operation", "api-docs", ""),
    ("sign in", "Change password", "account_change_password", ""),
    ("personal access api scripts revoke", "Tokens of programs", "accounts:tokens", ""),
    ("sessions devices", "Where I am signed in", "usersessions_list", ""),
    ("configuration options", "Settings", "admin:conf_setting_changelist", "conf.change_setting"),
    ("outbox smtp failed test mail", "Mails", "admin:mail_outboxmail_changelist", "mail.view_outboxmail"),
    ("people roles reps", "Users", "admin:accounts_user_changelist", "accounts.manage_users"),
)


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """What fits the words in the address; straight to a thing whose code they are, or that is the only one.

    For the field in the top bar only the hits, without going anywhere.
    """
    text = " ".join(request.GET.get("q", "").replace("\x00", "").split())[:LONGEST]
    groups = list(find(request.user, text)) if text else []
    hits = [hit for group in groups for hit in group.hits]
    if wants_fragment(request):
        response = render(request, "search/_options.html", {"groups": groups, "text": text})
    elif len(exact := [hit for hit in hits if hit.is_exact]) == 1 or len(hits) == 1:
        response = redirect((exact or hits)[0].url)
    else:
        response = render(request, "search/search.html", {"groups": groups, "text": text, "count": len(hits)})
    patch_vary_headers(response, ["HX-Request"])
    return response


def find(user: Any, text: str) -> Iterator[Group]:
    """What `user` may open and `text` fits, by kind; kinds without a hit are left out. Three queries."""
    customers = _best(Customer.objects.visible_to(user), text, "customer_id", ("customer_id", "name", "short_name"))
    products = _best(Product.objects.visible_to(user), text, "item_code", ("item_code", "description"))
    cycles = Cycle.objects.visible_to(user).filter(name__icontains=text).order_by("-first_period", "-pk")
    found = (
        (
            "Customers",
            "masterdata:customer_list",
            [
                Hit(
                    row.name,
                    row.customer_id,
                    reverse("masterdata:customer", args=[row.pk]),
                    _same(row.customer_id, text),
                )
                for row in customers[: MOST + 1]
            ],
        ),
        (
            "Products",
            "masterdata:product_list",
            [
                Hit(
                    row.description,
                    row.item_code,
                    reverse("masterdata:product", args=[row.pk]),
                    _same(row.item_code, text),
                )
                for row in products[: MOST + 1]
            ],
        ),
        (
            "Cycles",
            "cycles:list",
            [
                Hit(row.name, row.get_status_display(), reverse("cycles:detail", args=[row.pk]), _same(row.name, text))
                for row in cycles[: MOST + 1]
            ],
        ),
        ("Pages", "", list(_pages(user, text))),
    )
    for title, all_of_them, hits in found:
        if hits:
            query = "" if all_of_them == "cycles:list" else f"?q={quote_plus(text)}&state=all"
            more = reverse(all_of_them) + query if all_of_them and len(hits) > MOST else ""
            yield Group(title, hits[:MOST], more)


def _best(rows: Any, text: str, code: str, fields: tuple[str, ...]) -> Any:
    """Rows that hold `text`, those first whose code it is, then those that begin with it; active ones before others."""
    anywhere, first = Q(), Q()
    for name in fields:
        anywhere |= Q(**{f"{name}__icontains": text})
        first |= Q(**{f"{name}__istartswith": text})
    rank = Case(
        When(**{f"{code}__iexact": text}, then=Value(0)),
        When(first, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    return rows.filter(anywhere).order_by(rank, "-is_active", fields[1], "pk")


def _pages(user: Any, text: str) -> Iterator[Hit]:
    wanted = text.casefold()
    for words, title, name, permissions in PAGES:
        if wanted in f"{title} {words}".casefold() and (
            not permissions or any(user.has_perm(permission) for permission in permissions.split("|"))
        ):
            yield Hit(title, "page", reverse(name))


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
