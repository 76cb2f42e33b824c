"""People, where they signed in from, and the tokens of their programs."""

from sop_portal.accounts.models.tokens import IdempotencyKey, PersonalToken, TokenFamily
from sop_portal.accounts.models.users import ADMINISTER, KnownAddress, PasswordRequest, SignInTurn, User

__all__ = [
    "ADMINISTER", "IdempotencyKey", "KnownAddress", "PasswordRequest", "PersonalToken", "SignInTurn", "TokenFamily", "User",
]  # fmt: skip
