"""What tests of moves of cycles listen to."""

import pytest

from cycles.signals import cycle_moved


@pytest.fixture
def moved():
    """What the signal of moves told."""
    told = []

    def listen(sender, move, details, **kwargs):
        told.append((move, dict(details)))

    cycle_moved.connect(listen)
    yield told
    cycle_moved.disconnect(listen)
