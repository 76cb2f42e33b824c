"""The form that takes an old planning workbook."""

from typing import Any

from django import forms

from masterdata.services import sales_reps
from sop_portal.accounts.models import User


class LegacyUploadForm(forms.Form):
    """A workbook and, if the admin knows, whose plan it is."""

    file = forms.FileField(label="Workbook", max_length=None, allow_empty_file=True)
    rep = forms.ModelChoiceField(
        label="Sales rep",
        queryset=User.objects.none(),
        required=False,
        empty_label="The one named in the workbook, else nobody yet",
        help_text="New customers of this workbook are assigned to this rep.",
    )

    into = forms.ChoiceField(
        label="The plan goes",
        required=False,
        choices=[("history", "into a closed plan of its own, from which the next cycle carries over"),
                 ("open", "into the open cycle, on behalf of the rep, for the months that both plan")],
        help_text="Customers, products and prices come in either way.",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["rep"].queryset = sales_reps()  # type: ignore[attr-defined]
