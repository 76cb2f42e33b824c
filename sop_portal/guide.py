"""The integration guide as a page: `docs/integration.md`, with this portal's own address in its examples."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import slugify
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

# The address that the guide's examples name.
EXAMPLE = "https://sop.example.com"
# Language of a block -> its name in the address of the page, and in words.
LANGUAGES = {"bash": ("shell", "Shell"), "python": ("python", "Python"), "js": ("javascript", "JavaScript")}
_TABLE = (
    '<div class="table-wrap" tabindex="0" role="region" aria-label="{0}, as a table">'
    '<table class="list"><caption class="visually-hidden">{0}</caption>'
)
_EXAMPLE = (
    '<figure class="example" data-example><figcaption>{0}'
    '<button type="button" class="btn btn-small" data-part="copy" hidden>Copy</button></figcaption>'
    '<pre tabindex="0" role="group" aria-label="Example in {0}"><code>{1}</code></pre></figure>'
)
_PRINTED = (
    '<figure class="example is-output"><figcaption>In the shell it prints</figcaption>'
    '<pre tabindex="0" role="group" aria-label="What it prints in the shell"><code>{}</code></pre></figure>'
)


@dataclass(frozen=True)
class Guide:
    """The guide as HTML. places: the name and title of each of its parts."""

    title: str
    html: SafeString
    places: Sequence[tuple[str, str]]


@require_safe
def guide(request: HttpRequest) -> HttpResponse:
    """The guide with the examples of the language that the address names, else of all of them."""
    chosen = request.GET.get("in", "")
    languages = tuple(key for key, (name, _) in LANGUAGES.items() if name == chosen) or tuple(LANGUAGES)
    return render(
        request,
        "guide/guide.html",
        {
            "guide": rendered(languages, settings.SITE_URL.rstrip("/")),
            "chosen": LANGUAGES[languages[0]][0] if len(languages) == 1 else "",
            "languages": LANGUAGES.values(),
        },
    )


@functools.cache
def rendered(languages: tuple[str, ...], site: str) -> Guide:
    """The guide with the examples of `languages`, for a portal at the address `site`."""
    text = (settings.BASE_DIR / "docs/integration.md").read_text(encoding="utf-8")
    tokens = [
        token
        for token in MarkdownIt("commonmark", {"html": False}).enable("table").parse(text)
        if token.info not in LANGUAGES or token.info in languages
    ]
    # The title is the page's.
    title, tokens = tokens[1].content, tokens[3:]
    places, parts, heading = [], [], ""
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = tokens[place + 1].content
            token.attrSet("id", slugify(heading))
            if token.tag == "h2":
                places.append((slugify(heading), heading))
        parts.append((_part(token, heading, site),))
    return Guide(title, format_html_join("", "{}", parts), places)


def _part(token: Token, heading: str, site: str) -> str:
    """One token as HTML, escaped."""
    if token.type == "inline":
        return format_html_join("", "{}", ((_part(child, heading, site),) for child in token.children or ()))
    if token.type == "fence":
        return _example(token.info, token.content.replace(EXAMPLE, site))
    if token.type == "table_open":
        return format_html(_TABLE, heading)
    if token.type == "table_close":
        return SafeString("</table></div>")
    if token.type == "th_open":
        return SafeString('<th scope="col">')
    if token.type == "code_inline":
        return format_html("<code>{}</code>", token.content)
    if token.hidden:
        return ""
    if token.nesting == 1:
        return format_html("<{}{}>", token.tag, format_html_join("", ' {}="{}"', token.attrs.items()))
    if token.nesting == -1:
        return format_html("</{}>", token.tag)
    return "\n" if token.type == "softbreak" else token.content


def _example(kind: str, text: str) -> SafeString:
    """A block of code with a button that copies it, or what it prints. Lines that are remarks are marked."""
    code = format_html_join(
        "", "{}",
        (
            (format_html('<span class="remark">{}</span>', line) if line.lstrip().startswith(("#", "//")) else line,)
            for line in text.splitlines(keepends=True)
        ),
    )  # fmt: skip
    if kind not in LANGUAGES:
        return format_html(_PRINTED, code)
    return format_html(_EXAMPLE, LANGUAGES[kind][1], code)
