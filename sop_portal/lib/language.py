"""What the browser's language says about how numbers are written."""

from django.http import HttpRequest
from django.utils.formats import get_format
from django.utils.translation import get_supported_language_variant
from django.utils.translation.trans_real import parse_accept_lang_header

from sop_portal.lib.numbers import DecimalMark


def decimal_mark(request: HttpRequest) -> DecimalMark:
    """ "," or ".", whichever the first language of Accept-Language writes before decimals; "." when it names none."""
    for code, _ in parse_accept_lang_header(request.META.get("HTTP_ACCEPT_LANGUAGE", "")):
        if code == "*":
            break
        try:
            language = get_supported_language_variant(code)
        except LookupError:
            continue
        return "," if get_format("DECIMAL_SEPARATOR", language, use_l10n=True) == "," else "."
    return "."
