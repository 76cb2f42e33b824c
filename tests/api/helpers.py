"""Programs that talk to the API."""

from typing import Any

from django.test import Client

from sop_portal.accounts import bearer
from tests.factories import PASSWORD as PASSWORD

API = "/api/v1"


class Program:
    """A client of the API with the header of whoever it acts for; answers are those of Django's test client."""

    def __init__(self, token: str = "", **headers: str) -> None:
        self._client = Client(enforce_csrf_checks=True)
        self._headers = {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}

    def __call__(self, method: str, address: str, body: Any = None, **headers: str) -> Any:
        """The answer to `method` at `address` below the API's."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {} if body is None else {"data": body, "content_type": "application/json"}
        headers = {**self._headers, **given}
        # As gunicorn does, say what came over the wire beside what it decoded.
        wire: dict[str, Any] = {"RAW_URI": f"{API}{address}"}
        return self._client.generic(method, f"{API}{address}", **_bytes(sent), headers=headers, **wire)


def _bytes(sent: dict[str, Any]) -> dict[str, Any]:
    from sop_portal.lib.api.bodies import JSONRenderer

    if "data" in sent and not isinstance(sent["data"], str | bytes):
        sent["data"] = JSONRenderer().render(sent["data"])
    return sent


def program_of(user: Any) -> Program:
    """A program signed in as `user`."""
    return Program(bearer.issue(user).access)
