"""Text that people type: normalised, without control or direction-changing characters, of bounded length."""

import unicodedata

from django.core.exceptions import ValidationError
from django.db import models

# The reading process needs it, too, and imports nothing of ours but its neighbours.
from sop_portal.lib.workbook.copytext import normal as normal

NOTE_LIMIT = 2_000
# Cc control, Cs surrogates, Co private use. Of the format characters (Cf) only those below are refused, which turn the
# direction of text around: ZWNJ and ZWJ are part of ordinary spelling in several scripts.
_BAD_CATEGORIES = {"Cc", "Cs", "Co"}
_BIDI = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c\ufeff")


def bad_character(text: str, *, multiline: bool = False) -> str | None:
    """The first character that may not be stored, or None."""
    for character in text:
        if multiline and character in "\n\r\t":
            continue
        if character in _BIDI or unicodedata.category(character) in _BAD_CATEGORIES:
            return character
    return None


def plain_text(text: str) -> None:
    """Validator of one-line texts: refuses control and bidi characters."""
    bad = bad_character(text)
    if bad is not None:
        raise ValidationError(f"The text holds the invisible character U+{ord(bad):04X}; type it again without.")


def plain_note(text: str) -> None:
    """Validator of notes and comments: as `plain_text`, line breaks allowed, at most 2,000 characters."""
    if len(text) > NOTE_LIMIT:
        raise ValidationError(f"The text has {len(text):,} characters; at most {NOTE_LIMIT:,} are kept.")
    bad = bad_character(text, multiline=True)
    if bad is not None:
        raise ValidationError(f"The text holds the invisible character U+{ord(bad):04X}; type it again without.")


class NameField(models.CharField):
    """A one-line text: trimmed, NFC, without control characters, whatever the path that writes it."""

    default_validators = [plain_text]

    def get_prep_value(self, value: object) -> object:
        value = super().get_prep_value(value)
        return normal(value) if isinstance(value, str) else value

    def to_python(self, value: object) -> object:
        value = super().to_python(value)
        return normal(value) if isinstance(value, str) else value


class NoteField(models.TextField):
    """A longer text of at most 2,000 characters, NFC."""

    default_validators = [plain_note]

    def get_prep_value(self, value: object) -> object:
        value = super().get_prep_value(value)
        return normal(value) if isinstance(value, str) else value
