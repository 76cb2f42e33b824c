"""The forms of imports: a file, how it is read, and what its headings mean."""

from collections.abc import Mapping
from typing import Any

from django import forms

from masterdata.imports.kinds import Kind, heading_key
from masterdata.models import ImportRun

LEAVE = "-"


class FileForm(forms.Form):
    """A file of any kind; its headings tell which."""

    file = forms.FileField(label="File", max_length=None, allow_empty_file=True)


class ReadingForm(forms.Form):
    """How a file is to be read; what its kind has no use for is left out."""

    sum_duplicates = forms.BooleanField(
        label="Add up rows with the same key",
        required=False,
        help_text="Otherwise two rows of the same customer, item and month are refused.",
    )
    clear_blanks = forms.BooleanField(
        label="A blank cell empties the value",
        required=False,
        help_text="Otherwise it leaves the value that is stored as it is.",
    )
    decimal_mark = forms.ChoiceField(
        label="Decimal mark of numbers written as text",
        choices=[(".", "point, as in 1,234.50"), (",", "comma, as in 1.234,50")],
        required=False,
        help_text="Only for texts that fit both readings, such as 1,234.",
    )

    def __init__(self, *args: Any, kind: Kind, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not kind.sums:
            del self.fields["sum_duplicates"]

    @property
    def options(self) -> dict[str, Any]:
        """The options of the import, as `masterdata.imports.runs` takes them."""
        return {name: self.cleaned_data[name] for name in self.fields if name != "file" and self.cleaned_data[name]}


class UploadForm(ReadingForm):
    """A file of one kind and how it is to be read."""

    file = forms.FileField(label="File", max_length=None, allow_empty_file=True)


class AgainForm(ReadingForm):
    """The same file read in another way."""

    sheet = forms.CharField(label="Sheet", max_length=100, required=False, help_text="Which one, where several fit.")

    @property
    def options(self) -> dict[str, Any]:
        """Every option by name, so that one which was taken back is known to be; an unsaid decimal mark stays."""
        said = {name: self.cleaned_data[name] for name in self.fields}
        return {name: value for name, value in said.items() if name != "decimal_mark" or value}


class HeadingsForm(forms.Form):
    """What each heading that nobody knew means: a column of the kind, or nothing."""

    def __init__(self, *args: Any, kind: Kind, run: ImportRun, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headings = unknown_headings(run)
        taken = set(run.layout.get("columns", ()))
        free = [column for column in kind.columns if column.name not in taken]
        choices = [("", "Not said"), (LEAVE, "Leave it out")] + [
            (column.name, f"{column.heading}{' (required)' if column.required else ''}") for column in free
        ]
        for number, heading in enumerate(self.headings):
            self.fields[f"heading_{number}"] = forms.ChoiceField(label=heading, choices=choices, required=False)

    def clean(self) -> dict[str, Any]:
        """Two headings may not mean the same column."""
        cleaned = super().clean() or {}
        seen: dict[str, str] = {}
        for number, heading in enumerate(self.headings):
            name = cleaned.get(f"heading_{number}", "")
            if name and name != LEAVE and name in seen:
                self.add_error(f"heading_{number}", f"'{seen[name]}' already means this column; choose one of the two.")
            seen.setdefault(name, heading)
        if not any(cleaned.get(f"heading_{number}") for number in range(len(self.headings))) and not self.errors:
            raise forms.ValidationError("Say of at least one heading what it means.")
        return cleaned

    @property
    def mapping(self) -> Mapping[str, str]:
        """Heading -> column, "" for one that is left out."""
        chosen = {heading: self.cleaned_data[f"heading_{number}"] for number, heading in enumerate(self.headings)}
        return {heading: "" if name == LEAVE else name for heading, name in chosen.items() if name}


def unknown_headings(run: ImportRun) -> list[str]:
    """The headings of a file that no column was found for, each once."""
    found = run.layout.get("unknown") or run.layout.get("ignored") or []
    return list({heading_key(text): text for text in reversed(found) if heading_key(text)}.values())[::-1]
