"""The page that changes prices of a product group, of customers, or of both, from a day on."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode

from masterdata import services
from masterdata.admin.asking import DayInput, ask, ids_in
from masterdata.admin.base import MasterdataAdmin
from masterdata.admin.replacing import first_of_next_month
from masterdata.models import Customer, Delegation, ProductGroup

# How many entries the preview names before it only counts.
NAMED = 300
_FIRST = ("new", "changed", "kept", "none", "same")


def prices_url(*, customers: Iterable[int] = (), group: int | None = None) -> str:
    """The page with these customers, or this group, chosen already."""
    chosen = {"customers": ",".join(map(str, customers)), "group": group or ""}
    query = urlencode({key: value for key, value in chosen.items() if value})
    return f"{reverse('admin:masterdata_prices')}{'?' if query else ''}{query}"


class PriceForm(forms.Form):
    """Whose prices change, by how much, and from when."""

    group = forms.ModelChoiceField(
        ProductGroup.objects.order_by("code"), required=False, empty_label="Every group", label="Product group",
        help_text="With the groups below it.",
    )  # fmt: skip
    customers = forms.ModelMultipleChoiceField(
        Customer.objects.all(), required=False, help_text="Empty: all customers. Choose a group, customers, or both."
    )
    percent = forms.DecimalField(
        label="By percent", required=False, max_digits=7, decimal_places=3, help_text="5 is plus 5 %, -2.5 minus 2.5 %."
    )
    amount = forms.DecimalField(
        label="Or by amount", required=False, max_digits=14, decimal_places=4, help_text="A unit, plus or minus."
    )
    valid_from = forms.DateField(label="From", widget=DayInput)
    replaces = forms.BooleanField(
        label="Also where a price starts on that very day", required=False,
        help_text="It is then worked out from the price of the day before, like all others.",
    )  # fmt: skip
    # What the preview would write; when prices moved since, the change is refused.
    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, site: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["customers"]
        field.widget = AutocompleteSelectMultiple(Delegation._meta.get_field("customers"), site)
        field.widget.choices = field.choices
        # Each is taken away by itself; a button for all of them would break their list.
        field.widget.is_required = True
        self.initial.setdefault("valid_from", first_of_next_month())

    def change(self) -> services.Change:
        """What the cleaned values ask for."""
        values = self.cleaned_data
        return services.Change(
            valid_from=values["valid_from"],
            percent=values["percent"],
            amount=values["amount"],
            group=values["group"].pk if values["group"] else None,
            customers=tuple(customer.pk for customer in values["customers"]),
            replaces=values["replaces"],
        )


def view(page: MasterdataAdmin, request: HttpRequest) -> HttpResponse:
    """The form, the preview (old and new price of each entry), and the change."""
    if not request.user.has_perm("masterdata.change_price"):
        raise PermissionDenied("Only an S&OP admin changes prices.")
    chosen = {
        "group": next(iter(ids_in(request.GET.get("group", ""))), None),
        "customers": ids_in(request.GET.get("customers", "")),
    }
    form = PriceForm(_unseen(request), initial=chosen, site=page.admin_site)

    def foresee(values: dict[str, Any]) -> dict[str, Any]:
        repriced = services.preview(form.change(), by=request.user)
        data: Any = form.data
        data["seen"] = repriced.fingerprint
        rows = sorted(repriced.rows, key=lambda row: _FIRST.index(row.state))[:NAMED]
        counts = {state: repriced.count(state) for state in _FIRST}
        return {"rows": rows, "counts": counts, "all": len(repriced.rows), "written": len(repriced.written)}

    def done(values: dict[str, Any]) -> str:
        written = len(services.change_prices(form.change(), by=request.user, seen=values["seen"]).written)
        when = f"{values['valid_from']:%-d %b %Y}"
        if not written:
            return f"Every price from {when} was there already; nothing was changed."
        return f"{written:,} price{'' if written == 1 else 's'} from {when} written."

    return ask(
        page, request, form, template="masterdata/admin/prices.html", title="Change prices", foresee=foresee, do=done,
        verb="Change the prices", then=reverse("admin:masterdata_matrixentry_changelist"), changes_prices=True,
    )  # fmt: skip


def _unseen(request: HttpRequest) -> Any:
    """The values sent; a fingerprint counts only with the button that applies what was seen."""
    if request.method != "POST":
        return None
    data = request.POST.copy()
    if "apply" not in data:
        data["seen"] = ""
    return data
