"""What tests of pages import; the fixtures are those of `tests/portal.py`."""

from tests.portal import Portal as Portal
from tests.portal import axe as axe
