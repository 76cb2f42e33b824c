"""Sealing a million entries and verifying them, against reading and hashing the same texts once; pages of such a trail."""

import statistics
from collections.abc import Callable
from urllib.parse import urlencode

from django.db import connection
from django.http import QueryDict

from audit import canonical, sealing
from audit.filters import EntryFilter, Page, count_words
from audit.models import Entry
from audit.verifying import verify
from bench.meter import Meter, peak_memory
from bench.scratch import analyze, owner, scratch

ENTRIES = 1_000_000
# An import of a month's size, and saves of a grid, over ninety days.
FILL = """
SET timezone = 'UTC';
DO $$
BEGIN
    FOR back IN 1 .. 4 LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS %%I PARTITION OF audit_entry FOR VALUES FROM (%%L) TO (%%L)',
                       'audit_entry_' || to_char(now() - make_interval(months => back), 'YYYY_MM'),
                       date_trunc('month', now()) - make_interval(months => back),
                       date_trunc('month', now()) - make_interval(months => back - 1));
    END LOOP;
END $$;
INSERT INTO audit_entry (at, tx, actor_id, actor_label, action, entity_type, entity_id, label, changes, ip, user_agent,
                         source, request_id, severity, specificity)
SELECT now() - interval '95 days' + make_interval(secs => n / 40 * 40 * 8.2), md5((n / 40)::text)::uuid, n %% 60,
       'Rep ' || n %% 60, CASE n %% 9 WHEN 0 THEN 'forecast_submitted' ELSE 'forecast_updated' END, 'forecast',
       (n %% 20000)::text, 'Customer ' || n %% 2000 || ', Inc. / Peeled garlic ' || n %% 1000 || ' / S&OP Jan 2027',
       jsonb_build_object('quantity 2027-01', jsonb_build_array(n, n + 1), 'price 2027-01', jsonb_build_array(5, 6)),
       '10.0.0.1', 'Mozilla/5.0 (X11; Linux x86_64) Chrome/140', 'web', md5((n / 40)::text),
       CASE n %% 5000 WHEN 0 THEN 'WARNING' ELSE 'INFO' END, 10
  FROM generate_series(1, %s) AS n
"""

# Filtered lists without dates, of what is found in every block, in few, and nowhere.
PAGES = {
    "all": {}, "one person": {"actor": "7"}, "an action": {"action": "forecast_submitted"},
    "a text that is everywhere": {"text": "garlic"}, "one customer": {"text": "Customer 1234, Inc."},
    "a name and a person": {"text": "garlic 77", "actor": "17"}, "a text that is nowhere": {"text": "onion"},
    "a rare source": {"source": "excel"}, "a request": {"text": "c81e728d9d4c2f636f067f89cc14862c"}, "an id": {"text": "12345"},
    "warnings about a type": {"severity": "WARNING", "entity_type": "forecast"},
}  # fmt: skip


def run(*, rounds: int, lines: int) -> None:
    """Print the rates; each is measured once, in a database of its own."""
    with scratch() as name:
        with owner(name) as database:
            database.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
            database.execute(FILL % ENTRIES)
            database.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
        analyze(name)
        floor = _measured(_hash_all)
        ours = _measured(lambda: sealing.seal(seconds=3600))
        _tell("reading and hashing", floor)
        _tell("sealing", ours)
        print(f"  ratio  {ours.cpu / floor.cpu:.2f} of CPU")
        analyze(name)
        before = peak_memory()
        _tell("verifying", _measured(lambda: _proved()))
        print(f"  this process grew by {peak_memory() - before:.1f} MB while verifying")
        for words, query in PAGES.items():
            _page(words, query)


def _measured(work: Callable[[], object]) -> Meter:
    meter = Meter()
    with meter.round():
        work()
    return meter


def _tell(words: str, meter: Meter) -> None:
    print(f"  {words:20} {meter}, {ENTRIES / meter.wall[0]:,.0f} entries a second", flush=True)


def _hash_all() -> None:
    with connection.cursor() as cursor:
        # Sealing writes, which PostgreSQL does in one process. The expression stands in `canonical`; never input.
        cursor.execute("SET max_parallel_workers_per_gather = 0")
        cursor.execute(f"SELECT count({canonical.ENTRY_DIGEST}) FROM audit_entry AS e")
        cursor.execute("RESET max_parallel_workers_per_gather")


def _page(words: str, query: dict[str, str]) -> None:
    form = EntryFilter(QueryDict(urlencode(query)))
    # People of the trail need not be people of this database.
    form.fields["actor"].choices = [("7", "7"), ("17", "17")]  # type: ignore[attr-defined]
    assert form.is_valid(), form.errors
    clues = form.clues() if form.clues().are_needed else None
    meter, rows = Meter(), []
    for _ in range(6):
        with meter.round():
            entries = form.apply(Entry.objects.all(), with_text=clues is None)
            page = Page(entries, "", "", clues)
            rows, total = page.rows, count_words(page.total)
    middle = statistics.median
    print(
        f"  {words:26} {len(rows):3} rows, {total or 'not counted':16} {middle(meter.server) * 1000:6.1f} ms of the server, "
        f"{middle(meter.client) * 1000:5.1f} of ours, {middle(meter.wall) * 1000:6.1f} on the wall",
        flush=True,
    )


def _proved() -> None:
    report = verify()
    assert report.ok and report.entries >= ENTRIES, report.problems[:3]
