"""Headings that were mapped by hand: remembered by kind, so that the next file needs no hand."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from masterdata.imports.keeping import kind_of, require_importer
from masterdata.imports.kinds import heading_key
from masterdata.models import ImportHeading
from sop_portal.lib.errors import Refused
from sop_portal.lib.text import normal


@transaction.atomic
def remember_headings(kind: str, mapping: Mapping[str, str], *, by: Any) -> None:
    """Keep what headings mean in files of a kind; a heading that was mapped before takes the new meaning.

    mapping: heading -> name of a column, "" to leave the heading out. Raises NotAllowed, and Refused by heading for
    columns that do not exist and headings without a letter or digit.
    """
    declared = kind_of(kind)
    require_importer(by, declared)
    refused = {}
    for heading, name in mapping.items():
        if name and name not in declared.by_name:
            refused[heading] = f"{declared.title} have no column '{name}'."
        elif not heading_key(heading):
            refused[heading] = "A heading without letters or digits cannot be mapped; give it a name in the file."
    if refused:
        raise Refused(refused)
    for heading, name in mapping.items():
        key = heading_key(heading)[:200]
        known = ImportHeading.objects.select_for_update().filter(kind=kind, key=key).first()
        if known is None:
            ImportHeading.objects.create(kind=kind, key=key, heading=normal(heading)[:200], column=name)
        elif known.column != name:
            known.column = name
            known.save(update_fields=["column"])
