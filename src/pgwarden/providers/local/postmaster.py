"""What postmaster.pid says, and whether it is true.

The file outlives a server that was killed, and its process number may belong to something else by then. PostgreSQL
itself then refuses to start as long as that something lives, so the file must be judged by what the process is.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 5432
"""Only a part of the socket's name where no port is opened."""


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A running server."""

    pid: int
    port: int
    socket_dir: str


def running(data_dir: Path) -> Postmaster | None:
    """Return the postmaster of a data directory, or None where none is alive."""
    lines = _lines(data_dir / "postmaster.pid")
    try:
        found = Postmaster(int(lines[0]), int(lines[3]), lines[4])
    except (IndexError, ValueError):  # none, or one that is only just starting
        return None
    return found if _serves(found.pid, data_dir) else None


def starting(data_dir: Path) -> list[int]:
    """Return the process numbers of postmasters of a data directory, whatever postmaster.pid says."""
    return [pid for pid in mentioning(data_dir) if _serves(pid, data_dir)]


def remove_stale(data_dir: Path, socket_dir: Path) -> None:
    """Remove lock files that name a live process, or a zombie, which is not a postmaster of this directory.

    Where the process is gone a file stays: PostgreSQL looks into it for sessions that outlived their postmaster.

    Args:
        data_dir: The data directory of a cluster that does not run.
        socket_dir: The directory of its socket, which no other cluster uses.
    """
    for path in (data_dir / "postmaster.pid", *socket_dir.glob(".s.PGSQL.*.lock")):
        first = (_lines(path) or [""])[0]
        if first.isdigit() and _alive(int(first)) and not _serves(int(first), data_dir):
            path.unlink(missing_ok=True)


def mentioning(path: Path) -> list[int]:
    """Return the process numbers of all processes, but this one, whose command line has a path."""
    if Path("/proc/self/cmdline").exists():
        everyone = [(int(each.name), _command_line(int(each.name))) for each in Path("/proc").glob("[0-9]*")]
    else:
        listed = _output("ps", "-axww", "-o", "pid=,command=").splitlines()
        everyone = [(int(pid), command) for pid, command in (line.split(None, 1) for line in listed)]
    return [pid for pid, command in everyone if str(path) in command and pid != os.getpid()]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _serves(pid: int, data_dir: Path) -> bool:
    return f"postgres -D {data_dir} " in f"{_command_line(pid).rstrip()} "


def _command_line(pid: int) -> str:
    """Return a process's command line; empty where it is gone or a zombie."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    return _output("ps", "-ww", "-o", "command=", "-p", str(pid))


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False).stdout
