"""Codes in a file that must name something: customers, products and people that are already there."""

from collections.abc import Iterable

from masterdata.imports.outcome import Remark
from masterdata.imports.staging import Staging, is_fault, one_of, rows_of
from sop_portal.accounts.models import User
from sop_portal.lib.tables import fault

# What a code names -> the column of the code, in files and in its table.
_CODES = {"customer": "customer_id", "product": "item_code"}


def refuse_unknown(staging: Staging, parsed: str) -> None:
    """Refuse the cells whose customer or product does not exist; the table `parsed` has of each `n_customer_id` and
    `names_customer`."""
    missing = {what: f"parsed.n_{what}_id IS NULL AND parsed.names_{what}" for what in _CODES}
    looks = ", ".join(f"bool_or({condition})" for condition in missing.values())
    for what, is_missed in zip(_CODES, one_of(f"SELECT {looks} FROM {parsed} AS parsed"), strict=True):
        if is_missed:
            _refuse_unknown(staging, parsed, what, missing[what])


def _refuse_unknown(staging: Staging, parsed: str, what: str, condition: str) -> None:
    code, table = _CODES[what], f"masterdata_{what}"
    # A code that differs by capitals or leading zeros only is most likely the one that is meant.
    unknown = rows_of(
        f"SELECT wanted.code, (SELECT min(near.{code}) FROM {table} AS near "
        f"WHERE upper(ltrim(near.{code}, '0')) = upper(ltrim(wanted.code, '0'))) FROM "
        f"(SELECT DISTINCT text.{code} AS code FROM import_text AS text JOIN {parsed} AS parsed USING (line) "
        f"WHERE {condition}) AS wanted"
    )
    staging.map(code, ((text, None, unknown_code(what, text, near), False) for text, near in unknown))
    staging.refuse_mapped(code)


def unknown_code(what: str, text: str, near: str | None) -> str:
    """What is said about a code that names nothing."""
    if is_fault(text):
        return f"The cell {fault(text)}."
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    if near:
        return f"There is no {what} '{shown}', but there is '{near}'; write the code exactly like that."
    return f"There is no {what} '{shown}'; correct the code, or add the {what} first."


def about_inactive(rows: int, place: str) -> Remark:
    """What is said about rows whose customer or product is inactive."""
    return Remark(
        "inactive", place, f"Rows about inactive customers or products: {rows:,}. They are taken like the others."
    )


class People:
    """Users by what files call them: e-mail address, username or employee ID."""

    def __init__(self, names: Iterable[str]) -> None:
        wanted = {name.casefold() for name in names}
        self._by_name: dict[str, User] = {}
        for user in User.objects.all() if wanted else ():
            # The e-mail address goes before a username that looks like one.
            for name in (user.employee_id, user.username, user.email):
                if name and name.casefold() in wanted:
                    self._by_name[name.casefold()] = user

    def find(self, name: str) -> User | None:
        """The user of that name, if there is one."""
        return self._by_name.get(name.casefold())


def unknown_person(text: str) -> str:
    """What is said about a name that is nobody's."""
    return (
        f"'{text[:60]}' is nobody here; write the e-mail address, username or employee ID of a user, "
        "or add the user first."
    )
