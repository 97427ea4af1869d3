"""Who a PostgreSQL server runs as: it refuses to be root, and no system user is made for it.

For root it runs in a user namespace in which root's files belong to `nobody`; where namespaces are forbidden it runs as
`nobody` itself, from a folder that `nobody` can reach. It ends with the process that started it, even if that one is
killed.
"""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
NOBODY = "nobody"


def die_with_parent() -> None:
    """In a forked child: be asked to end when the parent ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)


def enter_namespace() -> None:
    """In a forked child of root: become `nobody` inside a namespace where root's files are nobody's."""
    record = pwd.getpwnam(NOBODY)
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are not allowed here")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{record.pw_uid} 0 1")
    Path("/proc/self/gid_map").write_text(f"{record.pw_gid} 0 1")
    die_with_parent()


def become_nobody() -> None:
    """In a forked child of root: become `nobody`. Raises KeyError where there is no such user."""
    record = pwd.getpwnam(NOBODY)
    os.setgroups([])
    os.setgid(record.pw_gid)
    os.setuid(record.pw_uid)
    die_with_parent()


def works(entry: Callable[[], None], *command: str) -> bool:
    """Whether a command runs and succeeds under an identity."""
    try:
        done = subprocess.run(  # noqa: S603 - our own program path
            command, preexec_fn=entry, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
