"""The anonymised planning workbooks; they stand beside the project where they may be read, and are never part of it."""

from pathlib import Path

import pytest

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "legacy"
needs_real_files = pytest.mark.skipif(not REAL.is_dir(), reason="the anonymised workbooks are not beside the project")
