"""Children that end are reported and started again, later each time."""

import signal
from pathlib import Path

from sop_portal.supervisor.process import Child
from sop_portal.supervisor.watch import Watch
from tests.supervisor import machine


def child(tmp_path: Path, *command: str) -> Child:
    return Child(
        "worker", command, log=tmp_path / "worker.log", env=machine.clean(), cwd=tmp_path, death_signal=signal.SIGKILL
    )


def test_a_child_that_keeps_ending_is_started_again_after_ever_longer_pauses(tmp_path: Path) -> None:
    failing = child(tmp_path, "sh", "-c", "echo started >> count; exit 7")
    failing.start()
    assert failing.wait(10)
    said: list[str] = []
    watch = Watch([failing], [])
    start = watch._kept[0].up_since
    # Pauses of 1, 2 and 4 s: it ends at 0, is started at 1, ends, is started at 3, ends, is started at 7.
    for second in range(8):
        watch.look(said.append, start + second)
        assert failing.wait(10)
        watch.look(said.append, start + second)
    assert (tmp_path / "count").read_text().count("started") == 4
    assert [line.split(" in ")[1].split(" s;")[0] for line in said] == ["1", "2", "4", "8"]
    assert "exit code 7" in said[0]
    assert str(tmp_path / "worker.log") in said[0]


def test_a_child_that_was_up_for_long_is_started_again_soon(tmp_path: Path) -> None:
    once = child(tmp_path, "sleep", "60")
    once.start()
    said: list[str] = []
    watch = Watch([once], [])
    watch._kept[0].pause = 32.0
    watch.look(said.append, watch._kept[0].up_since)
    assert said == []
    once.stop((signal.SIGTERM, 10))
    watch.look(said.append, watch._kept[0].up_since + 1000)
    assert "(signal 15) and is started again in 1 s" in said[0]


def test_stop_goes_from_asking_to_force_and_takes_grandchildren_along(tmp_path: Path) -> None:
    deaf = child(tmp_path, "sh", "-c", "trap '' TERM; sleep 60 & echo up >> ready; wait; sleep 60")
    deaf.start()
    while not (tmp_path / "ready").exists():
        assert not deaf.wait(0.05)
    assert deaf.pid is not None
    whole = machine.descendants(deaf.pid)
    assert whole
    assert deaf.stop((signal.SIGTERM, 0.2))
    assert deaf.exit_code == -signal.SIGKILL
    assert machine.gone_within(whole, 5)
    assert not deaf.stop((signal.SIGTERM, 0.2))
