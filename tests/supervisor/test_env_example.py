"""`.env.example` names every variable that is read, and no other."""

import itertools
import re

from tests.supervisor.machine import PROJECT

# Read by the supervisor, gunicorn's configuration and the demo company rather than by the settings.
BESIDE_THE_SETTINGS = {"ADMIN_EMAIL", "DEMO", "DEMO_PASSWORD", "WEB_PROCESSES", "WEB_THREADS"}


def test_every_variable_is_in_the_example_with_a_line_of_meaning() -> None:
    settings = (PROJECT / "sop_portal" / "settings.py").read_text()
    read = set(re.findall(r'env(?:_bool|_int|_list)?\(\s*"([A-Z_]+)"', settings))
    read |= set(re.findall(r'os\.environ(?:\.get\(|\[)\s*"([A-Z_]+)"', settings))
    assert {"SECRET_KEY", "VAR", "LOG_LEVEL", "TRUSTED_PROXY_COUNT"} <= read
    lines = (PROJECT / ".env.example").read_text().splitlines()
    named = {}
    for above, line in itertools.pairwise(lines):
        match = re.fullmatch(r"#?([A-Z_]+)=(\S*)", line)
        if match:
            named[match[1]] = above
    assert set(named) == read | BESIDE_THE_SETTINGS
    for name, above in named.items():
        assert above.startswith("# ") or re.match(r"#?[A-Z_]+=", above), f"{name} has no line of meaning"
