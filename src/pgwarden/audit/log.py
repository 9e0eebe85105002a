"""Appending to the log. All that `append` does happens under the lock of the head file, which never moves."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pgwarden.audit import chain, rotation
from pgwarden.errors import AuditError

_TAIL = 65_536

log = logging.getLogger(__name__)


class AuditLog:
    """An append-only log. Opened at the first record, so that a server that is only listed writes nothing."""

    def __init__(self, path: Path, *, max_bytes: int = 0, keep: int = 10) -> None:
        """Log to `path`; its directory is made when needed, readable by its owner alone.

        Args:
            path: The log.
            max_bytes: Size beyond which no line is added, but a new file begun; 0: never.
            keep: Rotated files that are kept, at least 1.
        """
        self.path = path
        self._head_path = chain.head_path(path)
        self._max_bytes = max_bytes
        self._keep = keep
        self._log = self._head = -1
        self._end = -1
        self._torn = False
        self._unsynced = False
        self._state = chain.Head()

    def append(self, record: Mapping[str, Any], *, durable: bool = False) -> None:
        """Write one record; `n` (its number) and `prev` (the hash of the line before) are added.

        Args:
            record: What the line says.
            durable: Whether it must be on disk, not only in the system's cache, when this returns.

        Raises:
            AuditError: It could not be written whole, or another process held the log for too long; the log has no
                part of a line then.
        """
        try:
            with self._held():
                self._open_log()
                self._catch_up()
                line = chain.encode({"n": self._state.number + 1, **record, "prev": self._state.digest})
                if self._max_bytes and self._end and self._end + len(line) > self._max_bytes:
                    self._rotate()
                self._commit(line, durable)
        except OSError as exc:
            raise AuditError(
                f"The audit log {self.path} cannot be written: {exc.strerror}.",
                hint="Free space or set PGWARDEN_AUDIT_PATH to a writable place.",
            ) from exc

    def close(self) -> None:
        """Close the files."""
        for descriptor in (self._log, self._head):
            if descriptor >= 0:
                os.close(descriptor)
        self._log = self._head = -1

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the lock of the head file that is at its place now."""
        path = self._head_path
        while True:
            if self._head < 0:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._head = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with chain.locked(self._head):
                if _is_at(path, self._head):
                    yield
                    return
            self._lost_head()

    def _lost_head(self) -> None:
        """Begin a new chain where somebody moved the log away with its head; go on where the head alone is gone."""
        if self._log >= 0 and _is_at(self.path, self._log):
            # What we remember takes its place: lines that were cut off at the same time leave a break.
            os.close(self._head)
            self._head = -1
            return
        self.close()
        self._state = chain.Head()

    def _open_log(self) -> None:
        """Open the log anew where another process has rotated it, or nobody has opened it yet."""
        if self._log >= 0 and _is_at(self.path, self._log):
            return
        if self._log >= 0:
            os.close(self._log)
            self._log = -1
        self._unsynced = not self.path.exists()
        # Not to wait for the other end of what turns out to be a pipe.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        self._log = os.open(self.path, flags, 0o600)
        self._end = -1
        if not stat.S_ISREG(os.fstat(self._log).st_mode):
            os.close(self._log)
            self._log = -1
            raise OSError(errno.EINVAL, "it is not a file")

    def _catch_up(self) -> None:
        """Continue the chain where another process, or an earlier one, left it."""
        size = os.fstat(self._log).st_size
        if size == self._end:
            return
        text = os.pread(self._head, chain.HEAD_BYTES, 0)
        known = chain.Head.parse(text) or (self._state if self._state.number else None)
        self._state = replace(known or chain.Head(), number=0, digest=chain.GENESIS)
        self._torn = size > 0 and os.pread(self._log, 1, size - 1) != b"\n"
        last = _last_line(self._log, size)
        if last is not None:
            record = chain.parse(last)
            # A torn line, left by a power failure: number on from the lines before it; `verify` reports it.
            number = record["n"] if record else self._state.first - 1 + _count_lines(self._log, size)
            # Without a head lines may have been cut off, and going on would heal that; a break does not. An empty head
            # beside one line is what a crash at the very first one leaves.
            lost = known is None and (number > 1 or text != b"")
            self._state = replace(self._state, number=number, digest=chain.GENESIS if lost else chain.digest(last))
        if known and known.number >= self._state.number:
            # If lines were cut off or changed, going on from the head leaves a break that `verify` finds; going on
            # from the log would heal it.
            self._state = known
        self._end = size

    def _rotate(self) -> None:
        """Begin a new file. Where that fails the old one goes on: too long a log is better than a missing line."""
        try:
            plan = rotation.plan(self.path, self._keep)
            if plan.first is not None:
                self._state = replace(self._state, first=plan.first, anchor=plan.anchor)
            # Also where nothing goes: a head that lags could not be caught up with from the new file.
            self._write_head(self._state)
            os.fsync(self._head)
            rotation.carry_out(self.path, plan)
        except OSError as exc:
            log.error("The audit log %s cannot be rotated: %s.", self.path, exc.strerror)
            return
        self._open_log()
        self._end, self._torn = 0, False
        rotation.sync_directory(self.path)

    def _commit(self, line: bytes, durable: bool) -> None:
        """Write the line and then the head, or neither."""
        state = self._state.after(line)
        text = b"\n" + line if self._torn else line
        try:
            _write(self._log, text)
            if durable:
                os.fsync(self._log)
            self._write_head(state)
            if durable:
                self._sync_head()
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._log, self._end)
                self._write_head(self._state)
            self._end = -1
            raise
        self._state = state
        self._end += len(text)
        self._torn = False

    def _write_head(self, state: chain.Head) -> None:
        os.pwrite(self._head, state.encode(), 0)

    def _sync_head(self) -> None:
        os.fsync(self._head)
        if self._unsynced:
            rotation.sync_directory(self.path)
            self._unsynced = False


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether a path still names an open file; it does not after a rotation."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _write(descriptor: int, text: bytes) -> None:
    if os.write(descriptor, text) != len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _last_line(descriptor: int, size: int) -> bytes | None:
    block = min(_TAIL, size)
    while True:
        tail = os.pread(descriptor, block, size - block)
        lines = tail.rstrip(b"\n").rsplit(b"\n", 1)
        if len(lines) == 2 or block == size:
            return lines[-1] or None
        block = min(block * 4, size)


def _count_lines(descriptor: int, size: int) -> int:
    count, offset = 0, 0
    while offset < size:
        chunk = os.pread(descriptor, 1 << 20, offset)
        count += chunk.count(b"\n")
        offset += len(chunk)
    return count + 1
