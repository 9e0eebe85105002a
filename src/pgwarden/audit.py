"""The audit log: one JSON line a call, each carrying the hash of the line before it.

Lines are appended under an advisory file lock, so several servers can share one log. Beside it stands a small head
file (`<log>.head`: number and hash of the last line) by which `verify` notices lines cut off at the end. A head that
lags the log by lines that chain on correctly is what a crash between the two writes leaves, and is fine.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgwarden.errors import AuditError

GENESIS = "0" * 64
_TAIL = 65_536
_LOCK_TRIES = 200
_LOCK_PAUSE_S = 0.001
"""Appends of other processes take microseconds; one that is stopped in the middle must not stop us too."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found: how many lines hold, and the first thing that does not (None: all is well)."""

    lines: int
    problem: str | None = None


class AuditLog:
    """An append-only log. Opened at the first record, so that a server that is only listed writes nothing."""

    def __init__(self, path: Path) -> None:
        """Log to `path`; its directory is made when needed, readable by its owner alone."""
        self.path = path
        self._files: tuple[int, int] | None = None
        self._end = -1
        self._torn = False
        self._number = 0
        self._hash = GENESIS

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record; `n` (its number) and `prev` (the hash of the line before) are added.

        Raises:
            AuditError: It could not be written whole, or another process held the log for too long; the log has no
                part of a line then.
        """
        try:
            log, head = self._open()
            with _locked(head):
                self._catch_up(log, head)
                line = _line({"n": self._number + 1, **record, "prev": self._hash})
                self._write(log, line)
                self._number += 1
                self._hash = hashlib.sha256(line.rstrip(b"\n")).hexdigest()
                os.pwrite(head, f"{self._number:020d} {self._hash}\n".encode(), 0)
        except OSError as exc:
            raise AuditError(
                f"The audit log {self.path} cannot be written: {exc.strerror}.",
                hint="Free space or set PGWARDEN_AUDIT_PATH to a writable place.",
            ) from exc

    def close(self) -> None:
        """Close the files."""
        for descriptor in self._files or ():
            os.close(descriptor)
        self._files = None

    def _open(self) -> tuple[int, int]:
        if self._files is not None and not self._same_file(self._files[0]):
            self.close()
        if self._files is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            log = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                head = os.open(_head_path(self.path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError:
                os.close(log)
                raise
            self._files = (log, head)
            self._end = -1
        return self._files

    def _same_file(self, log: int) -> bool:
        """Whether the path still names the open log; it does not after a rotation."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(log))
        except FileNotFoundError:
            return False

    def _catch_up(self, log: int, head: int) -> None:
        """Continue the chain where another process, or an earlier one, left it."""
        size = os.fstat(log).st_size
        if size == self._end:
            return
        self._number, self._hash, self._end = 0, GENESIS, size
        self._torn = size > 0 and os.pread(log, 1, size - 1) != b"\n"
        last = _last_line(log, size)
        if last is not None:
            self._hash = hashlib.sha256(last).hexdigest()
            try:
                self._number = int(json.loads(last)["n"])
            except (ValueError, KeyError, TypeError):
                # A torn line, left by a power failure: number on from the lines before it; `verify` reports it.
                self._number = _count_lines(log, size)
        known = _parse_head(os.pread(head, 128, 0))
        if known and known[0] >= self._number:
            # If lines were cut off or changed, going on from the head leaves a break that `verify` finds; going on
            # from the log would heal it.
            self._number, self._hash = known

    def _write(self, log: int, line: bytes) -> None:
        if self._torn:
            line = b"\n" + line
        written = os.write(log, line)
        if written != len(line):
            os.ftruncate(log, self._end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._end += written
        self._torn = False


def verify(path: Path) -> Verification:
    """Check every line's number and hash, and the end against the head file.

    Raises:
        AuditError: The log cannot be read.
    """
    previous, number = GENESIS, 0
    try:
        head = _read_head(path)
        with path.open("rb") as lines:
            for raw in lines:
                line = raw.rstrip(b"\n")
                problem = _check(line, raw.endswith(b"\n"), number + 1, previous)
                if problem:
                    return Verification(number, problem)
                number += 1
                previous = hashlib.sha256(line).hexdigest()
                if head and head[0] == number and head[1] != previous:
                    return Verification(number, f"line {number} is not the one that was written")
    except OSError as exc:
        raise AuditError(f"The audit log {path} cannot be read: {exc.strerror}.") from exc
    if head is None and number:
        return Verification(number, f"{_head_path(path).name} is missing or damaged: a cut-off end cannot be ruled out")
    if head and head[0] > number:
        return Verification(number, f"lines {number + 1} to {head[0]} are missing at the end")
    return Verification(number)


def _check(line: bytes, ended: bool, number: int, previous: str) -> str | None:
    try:
        record = json.loads(line)
        claimed_number, claimed_hash = record["n"], record["prev"]
    except (ValueError, KeyError, TypeError):
        return f"line {number} is damaged"
    if not ended:
        return f"line {number} is not complete"
    if claimed_hash != previous:
        return f"line {number} does not continue line {number - 1}: a line was changed, added or removed"
    return None if claimed_number == number else f"line {number} says it is line {claimed_number}"


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"


def _head_path(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _read_head(path: Path) -> tuple[int, str] | None:
    try:
        return _parse_head(_head_path(path).read_bytes())
    except FileNotFoundError:
        return None


def _parse_head(text: bytes) -> tuple[int, str] | None:
    try:
        number, digest = text.decode().split()
        return int(number), digest
    except ValueError:
        return None


def _last_line(log: int, size: int) -> bytes | None:
    block = min(_TAIL, size)
    while True:
        tail = os.pread(log, block, size - block)
        lines = tail.rstrip(b"\n").rsplit(b"\n", 1)
        if len(lines) == 2 or block == size:
            return lines[-1] or None
        block = min(block * 4, size)


def _count_lines(log: int, size: int) -> int:
    count, offset = 0, 0
    while offset < size:
        chunk = os.pread(log, 1 << 20, offset)
        count += chunk.count(b"\n")
        offset += len(chunk)
    return count + 1


@contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    for _ in range(_LOCK_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        time.sleep(_LOCK_PAUSE_S)
    else:
        raise OSError(errno.EWOULDBLOCK, "another process holds its lock")
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
