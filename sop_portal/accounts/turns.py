"""Guessing one name from many addresses: attempts take turns, the longer the more of them failed.

The lock of django-axes is on a name at one address, since a lock on the name alone would let anybody keep a person out.
Instead attempts from addresses at which the person never signed in share turns: after FREE of them the next waits 1 s,
then 2, 4, 8 and so on up to LONGEST. Nobody sleeps: an attempt out of turn is refused before its password is looked at.
A turn is taken before the password is checked and by one statement, so that of any number of attempts at once one gets
it. Names that are nobody's take turns alike.
"""

import datetime as dt
import math

from django.db import connection
from django.utils import timezone

from sop_portal.accounts.models import KnownAddress, SignInTurn, User

# One more than an address may try before its own lock: so one address alone never delays another.
FREE = 6
LONGEST = 30
# Without an attempt for so long everything is forgotten.
FORGET = dt.timedelta(minutes=15)
# An address at which somebody signed in stays theirs for so long after the last time.
KNOWN_FOR = dt.timedelta(days=180)

# When the next turn is free, once FREE of them are used up.
_FREE_AT = f"turn.last_at + least({LONGEST}, power(2, least(turn.attempts - {FREE}, 10))) * interval '1 second'"
_TAKE = f"""
INSERT INTO accounts_signinturn AS turn (name, attempts, last_at) VALUES (%(name)s, 1, %(now)s)
    ON CONFLICT (name) DO UPDATE
   SET attempts = CASE WHEN turn.last_at < %(forgotten)s THEN 1 ELSE turn.attempts + 1 END,
       last_at = greatest(turn.last_at, %(now)s)
 WHERE turn.attempts < {FREE} OR turn.last_at < %(forgotten)s OR {_FREE_AT} <= %(now)s
RETURNING attempts
"""
_LEFT = f"SELECT {_FREE_AT} FROM accounts_signinturn AS turn WHERE name = %s"


def is_known(name: str, address: str | None) -> bool:
    """Whether the person of this name signed in from this address before."""
    return KnownAddress.objects.filter(user__email=name, address=address).exists()


def take(name: str) -> int:
    """Take the next turn of `name`: 0 when it was free, else the seconds until it is."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"name": name, "now": now, "forgotten": now - FORGET})
        if cursor.fetchone() is not None:
            return 0
        cursor.execute(_LEFT, [name])
        (free_at,) = cursor.fetchone() or (now,)
    return max(1, math.ceil((free_at - now).total_seconds()))


def give_back(name: str) -> None:
    """The turn that was taken was no failure."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_signinturn SET attempts = attempts - 1 WHERE name = %s AND attempts > 0", [name]
        )


def remember(user: User, address: str | None) -> None:
    """`user` proved to be who they are from `address`."""
    if address is not None:
        KnownAddress.objects.bulk_create(
            [KnownAddress(user=user, address=address, last_at=timezone.now())],
            update_conflicts=True, unique_fields=["user", "address"], update_fields=["last_at"],
        )  # fmt: skip


def forget() -> int:
    """Delete what no longer counts."""
    now = timezone.now()
    turns, _ = SignInTurn.objects.filter(last_at__lt=now - FORGET).delete()
    addresses, _ = KnownAddress.objects.filter(last_at__lt=now - KNOWN_FOR).delete()
    return turns + addresses
