"""The portal served from a thread on the test database, and Chromium in front of it.

Data is committed, since the server has connections of its own; it is emptied after each test. A test fails when the
page breaks its Content-Security-Policy or a script throws.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.test import Client
from django.test.testcases import LiveServerThread
from playwright import sync_api

# Playwright's synchronous interface runs an event loop in this thread, in which Django would refuse to use the database.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
# `expect` looks again and again from outside the page: a condition evaluated inside it would need `unsafe-eval`.
sync_api.expect.set_options(timeout=10_000)
AXE = sorted((Path(__file__).parents[1] / "static/vendor/axe-core").glob("*/axe.min.js"))


class PatientServer(ThreadedWSGIServer):
    """Ends only when its requests have: a save still running would meet tables that are being emptied."""

    daemon_threads = False

    def serve_forever(self, poll_interval: float = 0.02) -> None:
        """As usual, but looks often whether it is to end: each test waits for that."""
        super().serve_forever(poll_interval)


class PortalThread(LiveServerThread):
    server_class = PatientServer


class Portal:
    """The running portal: `base_url`, people signed in without typing, pages checked on the way."""

    def __init__(self, base_url: str, browser: Any) -> None:
        self.base_url = base_url
        self._browser = browser
        self._contexts: list[Any] = []
        self.problems: list[str] = []

    def page(
        self, user: Any = None, *, javascript: bool = True, scheme: str = "light", width: int = 1440, **kw: Any
    ) -> Any:
        """A new window, of `user` when given. Further arguments are those of playwright's new_context."""
        context = self._browser.new_context(
            base_url=self.base_url, java_script_enabled=javascript, color_scheme=scheme,
            viewport={"width": width, "height": 860}, reduced_motion="reduce", **kw,
        )  # fmt: skip
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.base_url)
        context.set_default_timeout(10_000)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        if user is not None:
            self.sign_in(page, user)
        return page

    def sign_in(self, page: Any, user: Any) -> None:
        """Give the window of `page` a session of `user`."""
        client = Client()
        client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[-1])
        name = settings.SESSION_COOKIE_NAME
        page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": self.base_url}])

    def _console(self, message: Any) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            self.problems.append(f"CSP: {message.text}")

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium, one process for all tests of this worker."""
    if not CHROMIUM:
        pytest.fail("Chromium is missing: install the package chromium, or set CHROMIUM to its path.")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def portal(committed: None, chromium: Any) -> Iterator[Portal]:
    """The portal on a free port of this machine; see `Portal`."""
    thread = PortalThread("127.0.0.1", StaticFilesHandler, port=0)
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    if thread.error:
        raise thread.error
    running = Portal(f"http://127.0.0.1:{thread.port}", chromium)
    try:
        yield running
        assert not running.problems, running.problems
    finally:
        running.close()
        thread.terminate()


class Elsewhere(BaseHTTPRequestHandler):
    """An application that has nothing to do with the portal."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Elsewhere</title>")

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def elsewhere() -> Iterator[list[str]]:
    """Two origins beside the portal's."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield [f"http://127.0.0.1:{server.server_port}" for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


def axe(page: Any, *, preload: bool = True) -> list[str]:
    """What axe-core finds on the page as it stands, one sentence per kind; [] when all is well.

    preload: whether it may read the style sheets for its one rule about turned screens. Where they import others, as
    the admin's do, it writes styles into the page for that, which the page's policy refuses.
    """
    if not page.evaluate("() => Boolean(window.axe)"):
        # As a resource of the page itself, so that its policy holds for it too.
        version = AXE[-1].parent.name
        page.evaluate(
            "url => new Promise((done, failed) => { const s = document.createElement('script'); s.src = url;"
            " s.onload = done; s.onerror = failed; document.head.append(s); })",
            f"{settings.STATIC_URL}vendor/axe-core/{version}/axe.min.js",
        )
    found = page.evaluate(
        "preload => axe.run(document, {preload, resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a',"
        " 'wcag21aa', 'wcag22aa', 'best-practice']})",
        preload,
    )
    return [
        f"{violation['id']}: {violation['help']} ({'; '.join(str(node['target']) for node in violation['nodes'][:5])})"
        for violation in found["violations"]
    ]
