"""The JSON API: a request of 10,000 actuals against reading its body, copying and merging it bare."""

from typing import Any

import orjson
from django.test import Client

from bench.floors import merge_items
from bench.imports import actuals, make_ready, prepare
from bench.meter import report, take_turns
from bench.scratch import scratch
from sop_portal.accounts import bearer
from sop_portal.accounts.models import User

CUSTOMERS, PRODUCTS = 50, 10


def body() -> bytes:
    """The request: 20 months of 500 pairs."""
    names = ("customer_id", "item_code", "period", "quantity", "amount", "cost")
    return orjson.dumps({"items": [dict(zip(names, row, strict=True)) for row in actuals(CUSTOMERS, PRODUCTS)]})


def run(*, rounds: int, lines: int) -> None:
    """Print both costs; the request is all of it, from its token to the commit."""
    with scratch() as name:
        prepare(name, CUSTOMERS, PRODUCTS)
        sent = body()
        headers: Any = {"Authorization": f"Bearer {bearer.issue(User.objects.get(email='admin@example.com')).access}"}
        client = Client(SERVER_NAME="localhost")

        def ours(number: int) -> None:
            answer = client.post("/api/v1/sales-history/bulk", sent, content_type="application/json", headers=headers)
            told = answer.json()
            assert (told["created"], told["updated"]) == (5_000, 5_000), told

        meters = take_turns(
            rounds, {"floor": lambda number: merge_items(sent), "ours": ours}, before=lambda: make_ready(name)
        )
        print("  10,000 actuals, half of them updates")
        report(meters["ours"], meters["floor"], 2.0)
