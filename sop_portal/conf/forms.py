"""The form of one setting: the right field for its type, validated by the registry alone."""

from typing import Any

from django import forms

from sop_portal.conf import kinds, own
from sop_portal.conf.kinds import RISK_KEYS
from sop_portal.conf.registry import CATEGORY_LABELS, Spec
from sop_portal.lib.errors import Refused
from sop_portal.lib.risk import RISK_LABELS


class SettingForm(forms.Form):
    """Asks for the value of `spec`; `raw()` is what services take."""

    def __init__(self, spec: Spec, value: Any, data: Any = None) -> None:
        super().__init__(data)
        self.spec = spec
        fields: dict[str, forms.Field] = self.fields  # type: ignore[assignment]
        if spec.kind == "weights":
            for name in RISK_KEYS:
                fields[f"weight_{name}"] = forms.CharField(
                    label=f"Class {name} ({RISK_LABELS[int(name)].lower()})",
                    initial=value[name],
                    widget=forms.TextInput(attrs={"inputmode": "decimal"}),
                )
        else:
            fields["value"] = self._field(spec, value)

    @staticmethod
    def _field(spec: Spec, value: Any) -> forms.Field:
        common: dict[str, Any] = {"label": spec.label, "help_text": spec.help, "required": not spec.blank}
        if spec.kind == "boolean":
            return forms.ChoiceField(**common, initial="yes" if value else "no", choices=[("yes", "Yes"), ("no", "No")])
        if spec.kind == "choice":
            return forms.ChoiceField(**common, initial=value, choices=list(spec.choices))
        if spec.kind == "dates":
            area = forms.Textarea(attrs={"rows": 12, "cols": 24, "spellcheck": "false"})
            return forms.CharField(**common, initial="\n".join(value), widget=area)
        if spec.kind == "endings":
            boxes = forms.CheckboxSelectMultiple
            return forms.MultipleChoiceField(**common, initial=value, choices=list(spec.choices), widget=boxes)
        if spec.kind == "time_zone":
            zones = [(name, name) for name in sorted(kinds.time_zones())]
            return forms.ChoiceField(**common, initial=value, choices=zones)
        if spec.kind == "email":
            return forms.CharField(**common, initial=value, max_length=200, widget=forms.EmailInput)
        if spec.kind == "integer":
            common["help_text"] = f"{spec.help} {spec.span}".strip()
            span = {"min": spec.minimum, "max": spec.maximum, "inputmode": "numeric"}
            return forms.CharField(**common, initial=value, widget=forms.NumberInput(attrs=span))
        return forms.CharField(**common, initial=value, max_length=200)

    def raw(self) -> Any:
        """The value as it was typed; call after `is_valid`."""
        if self.spec.kind == "weights":
            return {name: self.cleaned_data[f"weight_{name}"] for name in RISK_KEYS}
        return self.cleaned_data["value"]

    def refuse(self, refusal: Refused) -> None:
        """Show why the service did not take the value."""
        self.add_error("value" if "value" in self.fields else None, refusal.detail)


class AddForm(forms.Form):
    """A setting of one's own. What is possible says `own.declare`, part by part."""

    label = forms.CharField(max_length=100, help_text="What people read in the list of settings.")
    key = forms.CharField(max_length=60, help_text="What programs ask for: small letters, digits and underscores.")
    category = forms.ChoiceField(choices=[(category.value, words) for category, words in CATEGORY_LABELS.items()])
    kind = forms.ChoiceField(choices=list(own.KINDS.items()), help_text="It cannot be changed later.")
    value = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 40}),
        help_text="The first value, which is the default. Yes or no; days such as 2026-12-25, one in a line.",
    )
    help = forms.CharField(max_length=200, required=False, label="What it does")

    def refuse(self, refusal: Refused) -> None:
        """Show beside each part why the service did not take it."""
        for name, sentence in refusal.lines.items():
            self.add_error(name, sentence)
