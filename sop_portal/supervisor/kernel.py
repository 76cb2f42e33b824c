"""What Linux offers to end a child with its parent and to give up root."""

import ctypes
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@dataclass(frozen=True)
class Identity:
    """The user and group that children of root run as."""

    uid: int
    gid: int


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def die_with_parent(death_signal: int, parent: int) -> None:
    """Have the kernel send `death_signal` to this process when the thread that made it ends.

    parent: process number of the maker; if it is gone already, this process ends here.
    """
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0), "PR_SET_PDEATHSIG")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def give_up_root(identity: Identity, *, reach_everything: bool) -> None:
    """Become `identity` for good.

    reach_everything: keep the one capability to pass file permissions, also over exec, for a project or a data
    folder that this user could not reach, such as a clone in root's home.
    """
    if reach_everything:
        # Keeps capabilities over the change of user, and lets access() know of them, by which PostgreSQL looks for
        # its own programs.
        _checked(_libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "PR_SET_SECUREBITS")
    os.setgroups([])
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
    if not reach_everything:
        return
    # Permitted must hold nothing beyond ambient: an exec that gains capabilities would clear the parent-death signal.
    bit = 1 << _CAP_DAC_OVERRIDE
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    data = (_CapabilityData * 2)(_CapabilityData(bit, bit, bit), _CapabilityData(0, 0, 0))
    _checked(_libc.capset(ctypes.byref(header), ctypes.byref(data)), "capset")
    _checked(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0), "PR_CAP_AMBIENT")


def can_reach(identity: Identity, needs: Iterable[tuple[Path, int]]) -> bool:
    """Whether `identity` without any capability has all of `needs`: pairs of a path and os.R_OK, W_OK, X_OK."""
    child = os.fork()
    if child == 0:
        answer = 1
        try:
            give_up_root(identity, reach_everything=False)
            answer = 0 if all(os.access(path, mode) for path, mode in needs) else 1
        finally:
            os._exit(answer)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
