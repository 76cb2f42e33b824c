"""A data folder whose servers have been made, so that not every test makes a database cluster."""

import subprocess
from pathlib import Path

import pytest

from tests.supervisor import machine


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    var = tmp_path_factory.mktemp("template") / "var"
    with machine.servers(var):
        pass
    return var


@pytest.fixture
def made(_template: Path, tmp_path: Path) -> Path:
    """A data folder whose servers were started once and are stopped."""
    var = tmp_path / "var"
    subprocess.run(["cp", "--archive", _template, var], check=True)
    return var
