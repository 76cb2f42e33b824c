"""Templates keep to the content security policy and compile."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import get_template

ROOT = settings.BASE_DIR / "templates"
TEMPLATES = sorted(ROOT.rglob("*.html"))
# Mail is read outside the portal, where no stylesheet is fetched.
PAGES = [path for path in TEMPLATES if "mail" not in path.relative_to(ROOT).parts]

BREACHES = {
    "an inline style": re.compile(r"<[^>]*\sstyle\s*=", re.IGNORECASE),
    "a style element": re.compile(r"<style\b", re.IGNORECASE),
    "an inline handler": re.compile(r"<[^>]*\s(on[a-z]+|hx-on[:\w-]*)\s*=", re.IGNORECASE),
    "an inline script": re.compile(r"<script\b(?![^>]*\ssrc=)", re.IGNORECASE),
    "a foreign address": re.compile(r"\s(src|href)\s*=\s*[\"'](https?:)?//", re.IGNORECASE),
    "unescaped data": re.compile(r"\|\s*safe\b|autoescape off"),
}


def breaches(text: str) -> list[str]:
    """What in `text` the policy would block, or would let data become markup."""
    return [name for name, pattern in BREACHES.items() if pattern.search(text)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_page_keeps_the_content_security_policy(path: Path) -> None:
    assert breaches(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("planted", "name"),
    [
        ('<p class="a" style="color:red">', "an inline style"),
        ("<style>p{}</style>", "a style element"),
        ('<button onclick="x()">', "an inline handler"),
        ('<div hx-on:click="x()">', "an inline handler"),
        ("<script>x()</script>", "an inline script"),
        ('<script type="module">x()</script>', "an inline script"),
        ('<link href="https://example.com/a.css">', "a foreign address"),
        ("{{ name|safe }}", "unescaped data"),
    ],
)
def test_the_rule_finds_what_is_planted(planted: str, name: str) -> None:
    assert name in breaches(planted)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_template_compiles(path: Path) -> None:
    get_template(path.relative_to(ROOT).as_posix())
