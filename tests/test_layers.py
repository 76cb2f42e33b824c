"""What may import what: each app only what stands to its left, each file of an app only what stands below it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From the lowest to the highest; `sop_portal` is what is left of that package: urls, views, middleware, api, home.
LAYERS = [
    "sop_portal.lib",
    "sop_portal.conf",
    "audit",
    "sop_portal.mail",
    "sop_portal.jobs",
    "sop_portal.accounts",
    "masterdata",
    "cycles",
    "forecasts",
    "reports",
    "sop_portal",
]
# They start servers before Django exists; they stand beside the layers and import none of them but lib.
APART = ("sop_portal.supervisor", "sop_portal.gunicorn_conf")

# Inside an app; a file may import only kinds that stand before its own, or its own.
KINDS = ["models", "services", "excel", "tasks", "receivers", "forms", "views", "api", "admin", "urls", "apps"]


def layer(module: str) -> str | None:
    """The layer that `module` belongs to; None when it is not ours."""
    fitting = [name for name in [*LAYERS, *APART] if module == name or module.startswith(name + ".")]
    return max(fitting, key=len) if fitting else None


def modules() -> Iterator[tuple[str, Path]]:
    for top in ("sop_portal", "audit", "masterdata", "cycles", "forecasts", "reports"):
        for path in (ROOT / top).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "migrations" in parts:
                continue
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere in the file, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def refusal(importer: str, imported: str) -> str | None:
    """Why `importer` may not import `imported`, or None."""
    own, other = layer(importer), layer(imported)
    if own is None or other is None or own == other:
        return None
    if own in APART:
        return None if other in ("sop_portal.lib", *APART) else f"{importer} imports {imported}"
    if other in APART or LAYERS.index(other) > LAYERS.index(own):
        return f"{importer} imports {imported}"
    return None


def kind(module: str, app: str) -> int | None:
    rest = module[len(app) + 1 :].split(".")[0] if module.startswith(app + ".") else ""
    return KINDS.index(rest) if rest in KINDS else None


def test_every_import_goes_to_the_left() -> None:
    found = [
        complaint
        for module, path in modules()
        for name in imports(ast.parse(path.read_text(encoding="utf-8")))
        if (complaint := refusal(module, name))
    ]
    assert found == []


def test_inside_an_app_views_stand_on_services_and_services_on_models() -> None:
    found = []
    for module, path in modules():
        app = module.split(".")[0]
        own = kind(module, app)
        if own is None or KINDS[own] in ("apps", "urls"):
            continue
        for name in imports(ast.parse(path.read_text(encoding="utf-8"))):
            other = kind(name, app)
            if other is not None and other > own and KINDS[other] != "forms":
                found.append(f"{module} imports {name}")
    assert found == []


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("cycles.services", "forecasts.models.Line"),
        ("sop_portal.lib.periods", "sop_portal.conf.get"),
        ("masterdata.models.customers", "sop_portal.home.home"),
        ("forecasts.views.grid", "sop_portal.supervisor.main"),
    ],
)
def test_the_rule_catches_a_planted_import(importer: str, imported: str) -> None:
    assert refusal(importer, imported) == f"{importer} imports {imported}"


def test_the_rule_lets_an_import_to_the_left_pass() -> None:
    assert refusal("forecasts.models", "cycles.models.Cycle") is None
