"""What the pages of cycles share."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods

from cycles.models import Cycle

form_methods = require_http_methods(["GET", "HEAD", "POST"])


def visible(request: HttpRequest, pk: int) -> Cycle:
    """The cycle, if the person may see it; else 404."""
    return get_object_or_404(Cycle.objects.visible_to(request.user), pk=pk)
