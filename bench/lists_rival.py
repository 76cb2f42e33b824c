"""The same list by FastAPI, asyncpg and pydantic, in this process and without a server in between."""

import asyncio
import datetime as dt
from typing import Annotated, Any
from urllib.parse import urlencode

import asyncpg
from fastapi import FastAPI, Query
from pydantic import BaseModel

from bench.lists_bare import COUNT, VALUES, around


class Line(BaseModel):
    """A line."""

    id: int
    cycle_id: int
    customer_id: str
    customer_name: str
    item_code: str
    description: str
    unit_of_measure: str
    owner_id: int | None
    status: str
    live: bool
    risk_class: int
    revision: int
    notes: str
    change_reason: str
    decision_comment: str
    first_period: dt.date
    quantity_source: str
    price_source: str
    edited_at: dt.datetime | None
    submitted_at: dt.datetime | None
    submitted_by_id: int | None
    decided_at: dt.datetime | None
    decided_by_id: int | None
    quantity: list[str | None]
    unit_price: list[str | None]


class Page(BaseModel):
    """A page of lines."""

    count: int
    next: str | None
    previous: str | None
    results: list[Line]


def app_of(connection: asyncpg.Connection) -> FastAPI:
    """The application, asking by this connection. Rows are handed over as they come, to be validated once."""
    app = FastAPI()

    @app.get("/api/v1/forecasts", response_model=Page)
    async def forecasts(
        cycle_id: int,
        page: Annotated[int, Query(ge=1)] = 1,
        page_size: Annotated[int, Query(ge=1, le=1_000)] = 50,
    ) -> dict[str, Any]:
        count = await connection.fetchval(f"{COUNT}$1", cycle_id)
        rows = await connection.fetch(VALUES, cycle_id, page_size, (page - 1) * page_size)
        return {**around(cycle_id, page, page_size, count), "results": [dict(row) for row in rows]}

    return app


class Rival:
    """Asks the application for pages, with a connection and a loop of its own."""

    # How many lines there are, and those of the page.
    QUERIES = 2

    def __init__(self, url: str, cycle_id: int) -> None:
        self.cycle_id = cycle_id
        self.loop = asyncio.new_event_loop()
        self.connection = self.loop.run_until_complete(asyncpg.connect(url))
        self.app = app_of(self.connection)

    @property
    def backend(self) -> int:
        """The process of its connection."""
        return int(self.connection.get_server_pid())

    def __call__(self, page: int, size: int) -> bytes:
        """One page."""
        return self.loop.run_until_complete(self._ask(page, size))

    def close(self) -> None:
        """End both."""
        self.loop.run_until_complete(self.connection.close())
        self.loop.close()

    async def _ask(self, page: int, size: int) -> bytes:
        query = urlencode({"cycle_id": self.cycle_id, "page_size": size, "page": page})
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/api/v1/forecasts", "raw_path": b"/api/v1/forecasts", "query_string": query.encode(),
            "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "server": ("localhost", 80),
        }  # fmt: skip
        status, body = 0, bytearray()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            body.extend(message.get("body", b""))

        await self.app(scope, receive, send)
        assert status == 200, bytes(body)
        return bytes(body)
