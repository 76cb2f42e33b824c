"""What no module of the portal may do, read from its syntax tree; each rule proves itself on planted code.

Templates have rules of their own in `test_templates.py`.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("sop_portal", "audit", "masterdata", "cycles", "forecasts", "reports")

# --- Words ----------------------------------------------------------------------------------------------------------

_UNSAFE_NAMES = {"csrf_exempt", "mark_safe", "utcnow", "utcfromtimestamp", "eval", "exec"}
_UNSAFE_MODULES = {"pickle", "marshal", "shelve", "dill", "cPickle", "requests", "httpx", "urllib3", "http.client"}
# Parts of urllib that only take addresses apart.
_HARMLESS = {"urllib.parse"}
# The one module that fetches: it asks its own web server whether it is ready.
_FETCHES = "sop_portal/supervisor/portal.py"
_SQL_CALLS = {"execute", "executemany", "raw", "RawSQL", "extra"}
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*\Z")
# A statement that is put together says in a comment above it why no input can become part of it.
_VOUCHED = "never input"
_ABOVE = 3
_SCOPES = {"visible_to", "in_scope_of", "editable_by", "decidable_by"}
# Bare managers of views, with the reason why their rows are in scope.
_SCOPED_OTHERWISE = {"Entry.about": "audit.history answers first whether the person may read about this object"}


def called(node: ast.AST) -> str:
    """The last name of what is called or read: "execute" for `cursor.execute`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def dotted(node: ast.AST) -> str:
    """ "dt.datetime.now" for that expression, "" for others."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}


# --- Rules: (tree, source, whether it is a view) -> the lines that break it ------------------------------------------


def unsafe_names(tree: ast.AST, source: str, is_view: bool) -> Iterator[int]:
    """No way around the forgery check or the escaping, no clock without a zone, no code from text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "shell":
            yield node.value.lineno
        elif isinstance(node, ast.Name | ast.Attribute | ast.ImportFrom):
            imported = node.names if isinstance(node, ast.ImportFrom) else []
            if _UNSAFE_NAMES & {called(node), *(alias.name for alias in imported)}:
                yield node.lineno


def made_safe(tree: ast.AST, source: str, is_view: bool) -> Iterator[int]:
    """SafeString only around a literal: data becomes markup through format_html, which escapes it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node.func) in ("SafeString", "SafeText"):
            if not all(isinstance(argument, ast.Constant) for argument in node.args):
                yield node.lineno
        elif isinstance(node, ast.Call) and called(node.func) in ("format_html", "format_html_join"):
            texts = node.args[: 1 if called(node.func) == "format_html" else 2]
            if not all(_is_constant(text) for text in texts):
                yield node.lineno


def naive_clocks(tree: ast.AST, source: str, is_view: bool) -> Iterator[int]:
    """The clock is asked with a zone; `date.today` asks in the server's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name, is_bare = dotted(node.func), not node.args and not node.keywords
            if (is_bare and name.endswith("datetime.now")) or name.endswith(("date.today", "datetime.today")):
                yield node.lineno


def unsafe_modules(tree: ast.AST, source: str, is_view: bool) -> Iterator[int]:
    """Nothing is unpickled, and nothing is fetched from other servers."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "urllib" else [f"urllib.{alias.name}" for alias in node.names]
        for name in names:
            top = name.partition(".")[0]
            if name in _UNSAFE_MODULES or top in _UNSAFE_MODULES or (top == "urllib" and name not in _HARMLESS):
                yield node.lineno  # type: ignore[attr-defined]


def _is_constant(node: ast.AST) -> bool:
    """Whether a text is a literal, or put together from literals and CONSTANTS of modules alone."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.Name | ast.Attribute):
        return bool(_CONSTANT.match(called(node)))
    if isinstance(node, ast.JoinedStr):
        return all(_is_constant(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _is_constant(node.value)
    if isinstance(node, ast.BinOp):
        return _is_constant(node.left) and _is_constant(node.right)
    if isinstance(node, ast.Call) and called(node.func) == "SQL":
        return all(map(_is_constant, node.args))
    if isinstance(node, ast.Call) and called(node.func) == "format" and called(_base(node.func)) == "SQL":
        # psycopg quotes what it puts into one of these: names and values, never plain text.
        return _is_constant(_base(node.func, call=True))
    if isinstance(node, ast.Call) and called(node.func) in ("format", "join"):
        return all(map(_is_constant, [node.func.value, *node.args, *(keyword.value for keyword in node.keywords)]))  # type: ignore[attr-defined]
    return False


def _base(function: ast.AST, *, call: bool = False) -> ast.AST:
    """What `sql.SQL("...").format` is called on: the name of the inner call, or that call itself."""
    inner = function.value if isinstance(function, ast.Attribute) else function
    return inner if call or not isinstance(inner, ast.Call) else inner.func


def assembled_sql(tree: ast.AST, source: str, is_view: bool) -> Iterator[int]:
    """SQL is a constant; one that is put together at run time says above it that it is "never input"."""
    lines = source.splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or called(node.func) not in _SQL_CALLS or not node.args:
            continue
        above = " ".join(line.strip() for line in lines[max(0, node.lineno - 1 - _ABOVE) : node.lineno - 1])
        if not _is_constant(node.args[0]) and _VOUCHED not in above:
            yield node.lineno


def bare_managers(tree: ast.AST, source: str, is_view: bool) -> Iterator[int]:
    """A view reads rows through a scope: `Model.objects.visible_to(user)`, editable_by or decidable_by."""
    if not is_view:
        return
    above = parents(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node.attr not in ("objects", "_default_manager", "_base_manager"):
            continue
        word = above[node].attr if isinstance(above[node], ast.Attribute) else ""  # type: ignore[attr-defined]
        if word not in _SCOPES and f"{dotted(node.value)}.{word}" not in _SCOPED_OTHERWISE:
            yield node.lineno


Rule = Callable[[ast.AST, str, bool], Iterator[int]]
RULES: list[Rule] = [unsafe_names, made_safe, naive_clocks, unsafe_modules, assembled_sql, bare_managers]


def is_view(path: Path) -> bool:
    """Whether `path` answers requests: views.py, api.py, and modules of a package views or api of an app."""
    return "lib" not in path.parts and (path.stem in ("views", "api") or path.parent.name in ("views", "api"))


def sources() -> list[Path]:
    return sorted(path for top in PACKAGES for path in (ROOT / top).rglob("*.py") if "migrations" not in path.parts)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_module_breaks(rule: Rule) -> None:
    found = []
    for path in sources():
        source = path.read_text(encoding="utf-8")
        lines = set(rule(ast.parse(source), source, is_view(path)))
        if rule is unsafe_modules and path == ROOT / _FETCHES:
            assert lines, f"{_FETCHES} fetches nothing any more; take it out of the rule"
            continue
        found += [f"{path.relative_to(ROOT)}:{line}" for line in sorted(lines)]
    assert found == [], rule.__doc__


def test_all_modules_are_read() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in sources()}
    assert {"sop_portal/middleware.py", "forecasts/views/line.py", "audit/views.py"} <= names
    assert {name for name in names if is_view(Path(name))} >= {
        "forecasts/views/line.py",
        "cycles/views/pages.py",
        "sop_portal/api.py",
    }


@pytest.mark.parametrize(
    ("rule", "planted"),
    [
        (unsafe_names, "@csrf_exempt\ndef view(request): ..."),
        (unsafe_names, "from django.views.decorators.csrf import csrf_exempt as free"),
        (unsafe_names, "html = safestring.mark_safe(name)"),
        (unsafe_names, "now = dt.datetime.utcnow()"),
        (unsafe_names, "eval(text)"),
        (unsafe_names, "subprocess.run(command, shell=True)"),
        (made_safe, "SafeString(name)"),
        (made_safe, "format_html('<b>' + name)"),
        (made_safe, "format_html(f'<b>{name}</b>')"),
        (made_safe, "format_html_join(name, '{}', rows)"),
        (naive_clocks, "datetime.now()"),
        (naive_clocks, "dt.datetime.now()"),
        (naive_clocks, "dt.date.today()"),
        (unsafe_modules, "import pickle"),
        (unsafe_modules, "def f():\n    from requests import get"),
        (unsafe_modules, "import urllib.request"),
        (unsafe_modules, "from urllib import request"),
        (unsafe_modules, "from http.client import HTTPConnection"),
        (assembled_sql, "cursor.execute(f'SELECT {name}')"),
        (assembled_sql, "cursor.execute('SELECT ' + name)"),
        (assembled_sql, "cursor.execute('SELECT %s' % name)"),
        (assembled_sql, "cursor.execute(_SQL.format(name=name))"),
        (assembled_sql, "cursor.execute(sql, params)"),
        (assembled_sql, "cursor.execute(sql.SQL(name)); cursor.execute(sql.SQL(f'DROP {name}').format())"),
        (assembled_sql, "Line.objects.raw(f'{_SQL} {where}')"),
        (assembled_sql, "# The name is never input.\n\n\n\n\ncursor.execute(f'SELECT {name}')"),
        (bare_managers, "Line.objects.get(pk=pk)"),
        (bare_managers, "get_object_or_404(Line, pk=pk); Line.objects.all().visible_to(user)"),
        (bare_managers, "get_object_or_404(models.Line.objects, pk=pk)"),
        (bare_managers, "Line._default_manager.filter(pk=pk)"),
    ],
)
def test_the_rule_finds_what_is_planted(rule: Rule, planted: str) -> None:
    assert list(rule(ast.parse(planted), planted, True))


@pytest.mark.parametrize(
    ("rule", "innocent"),
    [
        (made_safe, "SafeString(''); format_html('<b>{}</b>', name); format_html_join('', _ROW, rows)"),
        (naive_clocks, "dt.datetime.now(dt.UTC); timezone.now()"),
        (unsafe_modules, "from urllib.parse import urlsplit"),
        (assembled_sql, "cursor.execute('SELECT %s', [name]); cursor.execute(_SQL, [name])"),
        (assembled_sql, "cursor.execute(f'{_SQL} WHERE id = %s', [1]); cursor.execute(_SQL.format(part=_PART))"),
        (assembled_sql, "cursor.execute(sql.SQL('DROP DATABASE {}').format(sql.Identifier(name)))"),
        (assembled_sql, "# One of two literals, never input.\ncursor.execute(f'SELECT {name}(%s)', [1])"),
        (bare_managers, "get_object_or_404(Line.objects.visible_to(request.user), pk=pk)"),
    ],
)
def test_the_rule_lets_the_right_way_through(rule: Rule, innocent: str) -> None:
    assert list(rule(ast.parse(innocent), innocent, True)) == []


def test_managers_are_free_outside_of_views() -> None:
    assert list(bare_managers(ast.parse("Line.objects.get(pk=1)"), "", False)) == []
