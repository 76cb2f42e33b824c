"""What `components/pager.html` shows under a list."""

from django.core.paginator import Page
from django.http import QueryDict


def pager(page: Page, query: QueryDict, word: str) -> dict[str, str]:
    """The pager of one page of `word`s ("cycle"); its addresses keep the other parameters of `query`."""

    def url(number: int) -> str:
        changed = query.copy()
        changed["page"] = str(number)
        return f"?{changed.urlencode()}"

    count = page.paginator.count
    text = f"{count:,} {word}{'' if count == 1 else 's'}"
    if page.has_other_pages():
        text = f"{page.start_index():,} to {page.end_index():,} of {text}"
    return {
        "total_text": text,
        "previous_url": url(page.previous_page_number()) if page.has_previous() else "",
        "next_url": url(page.next_page_number()) if page.has_next() else "",
    }
