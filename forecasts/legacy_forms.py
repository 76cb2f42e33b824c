"""The forms that take old planning workbooks, and decisions about the names in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from forecasts.excel.legacy_choices import NEW, OUT, Choices
from forecasts.excel.legacy_near import near_customers
from masterdata.models import ImportRun, alias_key
from masterdata.services import sales_reps
from masterdata.upserts import customers_by_key
from sop_portal.accounts.models import User

LONGEST_NAME = 200


class FilesInput(forms.ClearableFileInput):
    """A file input that takes several files."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One or more uploaded files, as a list."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        given = data if isinstance(data, list | tuple) else [data]
        return [super(FilesField, self).clean(file, initial) for file in given or [None]]


class LegacyUploadForm(forms.Form):
    """Workbooks and, if the admin knows, whose plans they are."""

    file = FilesField(label="Workbooks", max_length=None, allow_empty_file=True)
    rep = forms.ModelChoiceField(
        label="Sales rep",
        queryset=User.objects.none(),
        required=False,
        empty_label="The one named in each workbook, else nobody yet",
        help_text="New customers of these workbooks are assigned to this rep.",
    )

    into = forms.ChoiceField(
        label="The plans go",
        required=False,
        choices=[("history", "into closed plans of their own, from which the next cycle carries over"),
                 ("open", "into the open cycle, on behalf of the reps, for the months that both plan")],
        help_text="Customers, products, prices and budgets come in either way.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["rep"].queryset = sales_reps()  # type: ignore[attr-defined]


@dataclass(frozen=True)
class OpenName:
    """A name in a workbook that may stand for a customer."""

    key: str
    text: str
    role: str
    file: str
    sheet: str
    fits: Sequence[str]
    volume: str


class LegacyNamesForm(forms.Form):
    """Who is who in a checked import: customers by the names of plans, reps by theirs, reps of whole files.

    customers: (ID, name) of those that may be chosen.
    """

    def __init__(self, data: Any, *, run: ImportRun, customers: Sequence[tuple[str, str]]) -> None:
        super().__init__(data)
        totals = run.control_totals
        chosen = Choices.of(run.options.get("choices", {}))
        self.names = [OpenName(**name) for name in totals.get("open_names", [])]
        known = dict(customers)
        near = near_customers([name.text for name in self.names], customers)
        for at, name in enumerate(self.names):
            what, code = chosen.customers.get(name.key, ("", ""))
            offered = dict(near[name.text]) | {fit: known.get(fit, fit) for fit in name.fits}
            if what == "customer":
                offered.setdefault(code, known.get(code, code))
            self.fields[f"do-{at}"] = forms.ChoiceField(
                label=f"What {name.text} is", choices=_offers(name, offered), required=False,
                initial=f"id:{code}" if what == "customer" else what or ("" if _waits(name) else NEW),
            )  # fmt: skip
            self.fields[f"customer-{at}"] = forms.CharField(
                label=f"Another customer for {name.text}", required=False, max_length=LONGEST_NAME
            )
        self.reps = list(dict.fromkeys([*totals.get("unknown_reps", []), *totals.get("mapped_reps", [])]))
        self.books = [
            file["file"] for file in totals.get("files", [])
            if file.get("kind") == "rep_workbook" and file.get("sheets") and not file.get("rep") and not run.options.get("rep")
        ]  # fmt: skip
        people = [("", "Nobody yet"), *((str(rep.pk), str(rep)) for rep in sales_reps())]
        for prefix, names, decided in (("rep", self.reps, chosen.reps), ("file", self.books, chosen.files)):
            for at, text in enumerate(names):
                key = alias_key(text) if prefix == "rep" else text
                self.fields[f"{prefix}-{at}"] = forms.ChoiceField(
                    label=f"Who {text} is" if prefix == "rep" else f"Whose workbook {text} is",
                    choices=people, required=False, initial=str(decided.get(key, "")),
                )  # fmt: skip

    def name_rows(self) -> list[tuple[OpenName, forms.BoundField, forms.BoundField]]:
        """Each name with its two fields."""
        return [(name, self[f"do-{at}"], self[f"customer-{at}"]) for at, name in enumerate(self.names)]

    def rep_rows(self) -> list[tuple[str, forms.BoundField]]:
        """Each rep's name with its field."""
        return [(name, self[f"rep-{at}"]) for at, name in enumerate(self.reps)]

    def book_rows(self) -> list[tuple[str, forms.BoundField]]:
        """Each file that names no rep, with its field."""
        return [(name, self[f"file-{at}"]) for at, name in enumerate(self.books)]

    def clean(self) -> dict[str, Any]:
        """What is typed must name one customer; it counts more than what is selected beside it."""
        data: dict[str, Any] = super().clean() or {}
        typed = {at: data.get(f"customer-{at}") or "" for at in range(len(self.names))}
        found = customers_by_key({alias_key(text) for text in typed.values() if text})
        for at, text in typed.items():
            customers = found.get(alias_key(text), []) if text else []
            if text and not customers:
                self.add_error(f"customer-{at}", ValidationError(f"No customer has the ID or name “{text}”."))
            elif len(customers) > 1:
                codes = ", ".join(customer.customer_id for customer in customers)
                self.add_error(f"customer-{at}", ValidationError(f"“{text}” fits several: {codes}. Write the ID."))
            elif customers:
                data[f"do-{at}"] = f"id:{customers[0].customer_id}"
        return data

    def choices(self) -> Choices:
        """The decisions of a valid form."""
        data = self.cleaned_data
        customers: dict[str, tuple[str, str]] = {}
        for at, name in enumerate(self.names):
            said = data.get(f"do-{at}") or ""
            if said.startswith("id:"):
                customers[name.key] = ("customer", said[3:])
            elif said == OUT or (said == NEW and _waits(name)):
                customers[name.key] = (said, "")
        return Choices(
            customers,
            {alias_key(name): int(pk) for at, name in enumerate(self.reps) if (pk := data.get(f"rep-{at}"))},
            {name: int(pk) for at, name in enumerate(self.books) if (pk := data.get(f"file-{at}"))},
        )


def _waits(name: OpenName) -> bool:
    """Whether nothing is taken under a name before somebody decides: it fits several, or only a budget has it."""
    return bool(name.fits) or name.role == "budget"


def _offers(name: OpenName, customers: Mapping[str, str]) -> list[tuple[str, str]]:
    """What a name may be, the usual first."""
    fresh = "A new prospect" if name.role in ("prospect", "nameless") else "A new customer"
    offers = [("", "Left out until you say who it is")] if _waits(name) else []
    return [
        *offers, (NEW, fresh), *((f"id:{code}", f"{text} ({code})") for code, text in customers.items()),
        (OUT, "Leave it out"),
    ]  # fmt: skip
