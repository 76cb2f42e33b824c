"""What every test of imports has: an admin, and a folder of its own for uploads."""

import pytest

from tests.factories import make_user


@pytest.fixture(autouse=True)
def own_uploads(settings, tmp_path):
    settings.UPLOAD_DIR = tmp_path / "uploads"


@pytest.fixture
def admin(db):
    return make_user("admin", full_name="Ada Admin")
