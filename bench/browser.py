"""The grid of 333 lines in Chromium: until one can type, a block pasted from a spreadsheet, scrolling."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connections
from django.test import Client
from django.urls import reverse

from bench.grid import world_of_one_grid
from bench.scratch import scratch
from sop_portal.accounts.models import User
from sop_portal.supervisor import environment, ports

ROWS, MONTHS = 300, 16
FRAMES = 240
START_SECONDS = 60

# When the first cell carries the frame the scripts have read the table, and what is typed goes there. Two frames later
# it is painted.
_WATCH = """
const seen = () => document.querySelector('td.cur')
  ? requestAnimationFrame(() => requestAnimationFrame(() => { window.interactive = performance.now(); }))
  : requestAnimationFrame(seen);
requestAnimationFrame(seen);
"""
_PASTE = """
document.addEventListener('paste', () => {
  const start = performance.now();
  requestAnimationFrame(() => requestAnimationFrame(() => { window.pasted = performance.now() - start; }));
}, { capture: true, once: true });
"""
# Down and up again, a third of a page a frame.
_SCROLL = """
async frames => {
  const wrap = document.querySelector('[data-grid]');
  const next = () => new Promise(requestAnimationFrame);
  const times = [];
  let before = await next();
  for (let n = 0; n < frames; n += 1) {
    wrap.scrollBy(0, n < frames / 2 ? 250 : -250);
    const now = await next();
    times.push(now - before);
    before = now;
  }
  return times;
}
"""


def run(*, rounds: int, lines: int) -> None:
    """Print the times on the wall; a busy machine makes them longer."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("  left out: Playwright is not installed (requirements-dev.txt)")
        return
    # Playwright runs an event loop in this thread, in which Django would refuse to use the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with scratch() as name, tempfile.TemporaryDirectory() as folder:
        world, cycle = world_of_one_grid(name)
        address = reverse("forecasts:grid", args=[cycle.pk, world.customers[0].pk])
        with _served(name, folder) as site, sync_playwright() as playwright:
            path = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
            arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
            browser = playwright.chromium.launch(executable_path=path, args=arguments)
            first, again, pasted, saved, worst, middle = [], [], [], [], [], []
            for _ in range(rounds):
                page = _page(browser, site, world.reps[0])
                first.append(_open(page, address))
                again.append(_open(page, address))
                times = page.evaluate(_SCROLL, FRAMES)
                worst.append(max(times))
                middle.append(statistics.median(times))
                painted, kept = _paste(page)
                pasted.append(painted)
                saved.append(kept)
                page.context.close()
            browser.close()
            # Inside the loop Django has connections of its own, and no database with one can go.
            connections.close_all()
        print(f"  one can type after {_ms(first)} at first, {_ms(again)} later (goal at most 1,000 ms)")
        print(
            f"  {ROWS} x {MONTHS} pasted: painted after {_ms(pasted)} (goal at most 500 ms), saved after {_ms(saved)}, "
            "of which 600 ms are waited for more"
        )
        print(
            f"  scrolling: worst of {FRAMES} frames {_ms(worst)} (goal at most 100 ms), usual {_ms(middle)}", flush=True
        )


def _ms(times: list[float]) -> str:
    return f"{statistics.median(times):,.0f} ms"


@contextmanager
def _served(name: str, folder: str) -> Iterator[str]:
    """The portal on the database `name`, served as `make run` serves it; gives its address."""
    port = ports.choose()
    site = f"http://127.0.0.1:{port}"
    parts = urlsplit(os.environ["DATABASE_URL"])
    variables = environment.serving(os.environ, "web") | {
        "DATABASE_URL": urlunsplit(parts._replace(path=f"/{name}")), "STATIC_ROOT": folder, "SITE_URL": site,
        "HOST": "127.0.0.1", "PORT": str(port), "SECRET_KEY": settings.SECRET_KEY, "LOG_LEVEL": "ERROR",
    }  # fmt: skip
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)
    configuration = "python:sop_portal.gunicorn_conf"
    command = [sys.executable, "-m", "gunicorn", "--config", configuration, "sop_portal.wsgi:application"]
    log = Path(folder) / "web.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=variables, stdout=output, stderr=output)
        try:
            _wait(server, f"{site}/health", log)
            yield site
        finally:
            server.terminate()
            server.wait(30)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"The portal did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


def _page(browser: Any, site: str, user: User) -> Any:
    """A new window with nothing in its cache, signed in."""
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[-1])
    name = settings.SESSION_COOKIE_NAME
    context = browser.new_context(base_url=site, viewport={"width": 1440, "height": 860})
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site)
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": site}])
    context.add_init_script(_WATCH)
    return context.new_page()


def _open(page: Any, address: str) -> float:
    """Milliseconds from following a link to the grid until one can type there."""
    page.goto(address)
    return _measured(page, "interactive")


def _measured(page: Any, name: str) -> float:
    """What the page has measured, once it has. Asked from outside: waiting inside would need `unsafe-eval`."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        found = page.evaluate("name => window[name] ?? null", name)
        if found is not None:
            return float(found)
        time.sleep(0.02)
    raise SystemExit(f"The page did not say when it was {name}.")


def _paste(page: Any) -> tuple[float, float]:
    """Milliseconds from pasting a block until it is painted, and until the server has saved it."""
    block = "\r\n".join("\t".join(str(100 + row + month) for month in range(MONTHS)) for row in range(ROWS))
    page.evaluate("text => navigator.clipboard.writeText(text)", block)
    page.locator("tr.g-row td.c").first.click()
    page.evaluate(_PASTE)
    start = time.perf_counter()
    page.keyboard.press("Control+v")
    painted = _measured(page, "pasted")
    page.wait_for_selector('[data-savestate][data-state="saved"]')
    return painted, (time.perf_counter() - start) * 1000
