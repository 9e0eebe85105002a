"""The form of the log: lines, their hashes, the head file, the names of rotated files, the lock."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GENESIS = "0" * 64
"""What stands for the hash of the line before the first one."""
HEAD_BYTES = 256
"""No head is longer."""
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_LOCK_TRIES = 200
_LOCK_PAUSE_S = 0.001
"""Appends of other processes take microseconds; one that is stopped in the middle must not stop us too."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the head file says.

    Attributes:
        number, digest: Number and hash of the last line.
        first, anchor: Number of the first line that is kept, and the hash that it carries of the one before.
    """

    number: int = 0
    digest: str = GENESIS
    first: int = 1
    anchor: str = GENESIS

    def after(self, line: bytes) -> Head:
        """Return the head once a line is added."""
        return Head(self.number + 1, digest(line), self.first, self.anchor)

    def encode(self) -> bytes:
        """Return the head file's content, always of the same length."""
        return f"{self.number:020d} {self.digest} {self.first:020d} {self.anchor}\n".encode()

    @classmethod
    def parse(cls, text: bytes) -> Head | None:
        """Return what a head file says; None where it is empty or damaged. One without a start keeps every line."""
        match text.decode("ascii", "replace").split():
            case [number, digest] if number.isdecimal():
                return cls(int(number), digest)
            case [number, digest, first, anchor] if number.isdecimal() and first.isdecimal():
                return cls(int(number), digest, int(first), anchor)
        return None


def encode(record: Mapping[str, Any]) -> bytes:
    """Return a record as a line, with its end."""
    return _ENCODER.encode(record).encode("utf-8", "backslashreplace") + b"\n"


def digest(line: bytes) -> str:
    """Return the hash of a line, which does not cover its end."""
    return hashlib.sha256(line.rstrip(b"\n")).hexdigest()


def parse(line: bytes) -> dict[str, Any] | None:
    """Return a line's record; None where it is damaged."""
    with suppress(ValueError, RecursionError):
        record = json.loads(line)
        if isinstance(record, dict) and type(record.get("n")) is int and isinstance(record.get("prev"), str):
            return record
    return None


def head_path(path: Path) -> Path:
    """Return the path of a log's head file."""
    return path.with_name(path.name + ".head")


def rotated_path(path: Path, index: int) -> Path:
    """Return the path of a log's rotated file, of which number 1 is the newest."""
    return path.with_name(f"{path.name}.{index}")


def rotated(path: Path) -> list[int]:
    """Return the numbers of the rotated files that there are, newest first."""
    name = re.compile(re.escape(path.name) + r"\.([1-9][0-9]{0,8})")
    found = [match for each in path.parent.iterdir() if (match := name.fullmatch(each.name))]
    return sorted(int(match.group(1)) for match in found)


@contextmanager
def locked(descriptor: int, *, shared: bool = False) -> Iterator[None]:
    """Hold the advisory lock of an open head file.

    Raises:
        OSError: Another process held it for 200 milliseconds.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE_S)
        else:
            break
    else:
        raise OSError(errno.EWOULDBLOCK, "another process holds its lock")
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
