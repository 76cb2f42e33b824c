"""`python -m bench [NAME ...]`: run the named measurements, or all of them, each in a database of its own."""

import argparse
import importlib
import os
import sys

MEASUREMENTS = {
    "save": "save 5,440 cells of one rep against one UPSERT of a row per cell",
    "grid": "the grid page of 333 lines against building its table as text",
    "browser": "that grid in Chromium: until one can type, pasting 300 x 16 cells, scrolling",
    "opening": "open a cycle of 20,000 lines against two INSERTs of shifted arrays",
    "consolidated": "the consolidated workbook of 20,000 lines against bare XlsxWriter",
    "imports": "import 100,000 actuals from a workbook against reading and merging it bare; a million rows of CSV",
    "api": "a request of 10,000 actuals as JSON against copying and merging them bare",
    "lists": "pages of 50 and 1,000 lines as JSON against psycopg and orjson, and beside FastAPI",
    "seal": "seal and verify a million entries of the audit trail; pages of such a trail",
    "exports": "flat exports of 100,000 rows of 20 columns against bare XlsxWriter and a bare COPY",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    known = "; ".join(f"{name}: {words}" for name, words in MEASUREMENTS.items())
    parser.add_argument("names", nargs="*", metavar="NAME", help=known)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured; the median counts")
    parser.add_argument("--lines", type=int, default=20_000, help="lines of the cycle, for opening and consolidated")
    options = parser.parse_args()
    unknown = set(options.names) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sop_portal.settings")
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    from sop_portal.supervisor.command import servers_for
    from sop_portal.supervisor.errors import CannotStart

    try:
        with servers_for(["bench", "bench"]):
            # Imported here, since the settings read the environment that is ready only now.
            import django

            django.setup()
            for name in options.names or MEASUREMENTS:
                print(f"{name}: {MEASUREMENTS[name]}", flush=True)
                importlib.import_module(f"bench.{name}").run(rounds=options.rounds, lines=options.lines)
    except CannotStart as reason:
        sys.exit(str(reason))


main()
