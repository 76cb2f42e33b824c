"""Users from a file, through the services of accounts: roles, managers, nobody without an administrator, no passwords."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group

from audit import registry
from masterdata.imports.job import Job
from masterdata.imports.objects import Row, check, fill, read_rows, refuse_dangling, refuse_rows
from masterdata.imports.outcome import SAMPLE_KEPT, Outcome, Remark
from masterdata.imports.references import unknown_person
from masterdata.imports.staging import Staging
from masterdata.models import ImportChange, ImportRun
from sop_portal.accounts.many import FIELDS, UserEdit, save_users
from sop_portal.accounts.models import User
from sop_portal.lib.errors import Conflict

ENTITY = "accounts.user"
BATCH = 1_000


@dataclass
class _Person:
    """A user of the file: what was stored (None: nothing), and what they should be."""

    row: Row
    before: dict[str, Any] | None
    edit: UserEdit

    @property
    def user(self) -> User:
        return self.edit.user


def load(staging: Staging, job: Job) -> Outcome:
    """Check the staged rows and write the good ones."""
    job.watch.step("Checking", staging.rows)
    rows = read_rows(staging)
    people = _people(rows)
    by_line = {person.row.line: person.user for person in people}
    fields = {column.name: column.name for column in staging.columns if column.name != "roles"}
    _name_managers(people)
    for person in people:
        fill(person.user, person.row, fields, clears=job.clears)
        person.user.username = person.user.username or person.user.email
        person.user.employee_id = person.user.employee_id or None
    _give_roles(people, clears=job.clears)
    clashes = User.objects.clashes([person.user for person in people])
    for person, clash in zip(people, clashes, strict=True):
        for name, sentence in clash.items():
            # A username that is not in the file is the address.
            person.row.refuse(name if name in person.row.values else "email", sentence)
        if person.user.manager is person.user or (person.user.pk and person.user.manager_id == person.user.pk):
            person.row.refuse("manager", "Nobody can be their own manager.")
        check(person.user, person.row, fields, skip=("manager",), whole=False)
    refuse_dangling(rows, "manager", by_line)
    refused = refuse_rows(rows)
    good = [person for person in people if not person.row.refused]
    outcome = _outcome(staging, good, refused)
    job.watch.step("Writing", staging.rows)
    save_users([person.edit for person in good], by=job.by)
    if job.run_id is not None:
        _remember(job.run_id, good)
    return outcome


def state_of(users: Sequence[User]) -> dict[int, dict[str, Any]]:
    """What is stored of users: plain values by field, and their roles."""
    declared = registry.tracked[User]
    ids = [user.pk for user in users]
    found = declared.stored(ids, list(FIELDS), using="default")
    for row in found.values():
        row["roles"] = []
    for user, name in User.groups.through.objects.filter(user__in=ids).values_list("user_id", "group__name"):
        found[user]["roles"].append(name)
    return {pk: {**row, "roles": sorted(row["roles"])} for pk, row in found.items()}


def _people(rows: Iterable[Row]) -> list[_Person]:
    """The users that the rows are about, stored or new. Addresses are compared without case."""
    for row in rows:
        if "email" in row.values:
            row.values["email"] = row.values["email"].lower()
    about = [row for row in rows if "email" in row.values]
    stored = {
        user.email.lower(): user for user in User.objects.filter(email__in=[row.values["email"] for row in about])
    }
    before = state_of(list(stored.values()))
    people = []
    for row in about:
        user = stored.get(row.values["email"])
        known = before[user.pk] if user is not None else None
        people.append(_Person(row, known, UserEdit(user or User(email=row.values["email"]))))
    return people


def _name_managers(people: Iterable[_Person]) -> None:
    """Turn names of managers into users, stored ones and those that the file makes."""
    named = [person.row for person in people if "manager" in person.row.values]
    known: dict[str, User] = {}
    everybody = list(User.objects.all()) if named else []
    in_file = {person.user.pk: person.user for person in people if person.user.pk}
    for user in [*(in_file.get(each.pk, each) for each in everybody), *(p.user for p in people if not p.user.pk)]:
        for name in (user.employee_id, user.username, user.email):
            if name:
                known[name.casefold()] = user
    for person in people:
        # What the file says about a new user counts as a name, too.
        for name in ("employee_id", "username", "email"):
            if person.user._state.adding and name in person.row.values:
                known.setdefault(person.row.values[name].casefold(), person.user)
    for row in named:
        text = row.values.pop("manager")
        found = known.get(text.casefold())
        if found is None:
            row.refuse("manager", unknown_person(text))
        else:
            row.values["manager"] = found


def _give_roles(people: Iterable[_Person], *, clears: bool) -> None:
    names = {name.casefold(): name for name in Group.objects.values_list("name", flat=True)}
    for person in people:
        row = person.row
        if "roles" not in row.texts or "roles" in row.refused:
            continue
        if row.texts["roles"] is None:
            person.edit.roles = [] if clears else None
            continue
        wanted = [part.strip() for part in row.values["roles"].replace(",", ";").split(";") if part.strip()]
        unknown = [part for part in wanted if part.casefold() not in names]
        if unknown:
            row.refuse("roles", f"There is no role '{unknown[0]}'; there are {', '.join(sorted(names.values()))}.")
        else:
            person.edit.roles = sorted({names[part.casefold()] for part in wanted})


def _wanted(person: _Person) -> dict[str, Any]:
    """What a user should be, as `state_of` gives what is stored. A manager who is to come has no key yet."""
    row = registry.tracked[User].values(person.user, FIELDS)
    roles = person.edit.roles
    return {**row, "roles": list(roles) if roles is not None else (person.before or {}).get("roles", [])}


def _changes(person: _Person) -> dict[str, list[Any]]:
    """What differs, as people read it."""
    before, wanted = person.before or {}, _wanted(person)
    changes = {
        name: [before.get(name), value]
        for name, value in wanted.items()
        if value != before.get(name) and (person.before is not None or value not in (None, "", []))
    }
    if "manager" in changes or (person.before is None and person.user.manager is not None):
        old = f"#{before['manager']}" if before.get("manager") else None
        changes["manager"] = [old, str(person.user.manager) if person.user.manager is not None else None]
    return changes


def _outcome(staging: Staging, good: Sequence[_Person], refused: int) -> Outcome:
    outcome = Outcome(rows_read=staging.rows, refused=refused, totals={"rows": len(good)})
    outcome.sample = {"new": [], "changed": []}
    for person in good:
        changes = _changes(person)
        if person.before is None:
            outcome.created += 1
        elif changes:
            outcome.updated += 1
        else:
            outcome.unchanged += 1
            continue
        kept = outcome.sample["new" if person.before is None else "changed"]
        if len(kept) < SAMPLE_KEPT:
            kept.append({"row": person.row.line, "label": str(person.user), "changes": changes})
    outcome.tallies = {"user": (outcome.created, outcome.updated, outcome.unchanged)}
    if outcome.created:
        outcome.remarks.append(
            Remark(
                "no_password",
                "",
                f"New users: {outcome.created:,}. They have no password yet; send them the welcome link from the list "
                "of users.",
            )
        )
    return outcome


def _remember(run_id: int, good: Iterable[_Person]) -> None:
    """Keep what was changed, for undoing."""
    touched = [person for person in good if person.before is None or _changes(person)]
    after = state_of([person.user for person in touched])
    ImportChange.objects.bulk_create(
        [
            ImportChange(
                run_id=run_id,
                entity=ENTITY,
                object_id=person.user.pk,
                before=_differing(person.before, after[person.user.pk]),
                after=after[person.user.pk],
            )
            for person in touched
        ],
        batch_size=BATCH,
    )


def _differing(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> dict[str, Any] | None:
    return None if before is None else {name: value for name, value in before.items() if value != after[name]}


def restore(run: ImportRun) -> None:
    """Make users what they were before a run; those that it made stay. Raises Conflict naming users that changed or
    signed in since."""
    changes = {change.object_id: change for change in run.changes.all()}
    users = User.objects.in_bulk(list(changes))
    now = state_of(list(users.values()))
    touched = [
        users.get(pk)
        for pk, change in changes.items()
        if now.get(pk) != change.after or (change.before is None and users[pk].last_login is not None)
    ]
    if touched:
        names = "; ".join(str(user) for user in touched[:3] if user is not None)
        raise Conflict(
            f"The import cannot be undone, because users were changed, deleted or signed in since: {len(touched):,}"
            f"{f' ({names})' if names else ''}. Correct them by hand or by another import."
        )
    edits = []
    for pk, change in changes.items():
        if change.before is not None:
            for name in FIELDS:
                if name in change.before:
                    field: Any = User._meta.get_field(name)
                    setattr(users[pk], field.attname, change.before[name])
            edits.append(UserEdit(users[pk], change.before.get("roles")))
    save_users(edits, by=run.undone_by)


def remove(run: ImportRun) -> None:
    """Delete the users that a run made."""
    made = run.changes.filter(before__isnull=True).values_list("object_id", flat=True)
    User.objects.filter(pk__in=list(made)).delete()
