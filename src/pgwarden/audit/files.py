"""Reading the log, through all the files that are kept, as it stands at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pgwarden.audit import chain
from pgwarden.errors import AuditError

_BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the log, as far as it was written when it was opened.

    Attributes:
        name: The file's name.
        stream: The open file.
        size: Its bytes.
    """

    name: str
    stream: BinaryIO
    size: int

    def lines(self) -> Iterator[bytes]:
        """Return the lines with their ends, oldest first."""
        self.stream.seek(0)
        left = self.size
        while left > 0 and (line := self.stream.readline(left)):
            left -= len(line)
            yield line

    def newest_first(self) -> Iterator[bytes]:
        """Return the lines without their ends, newest first."""
        position, rest = self.size, b""
        while position > 0:
            block = min(_BLOCK, position)
            position -= block
            self.stream.seek(position)
            first, *lines = (self.stream.read(block) + rest).split(b"\n")
            yield from (line for line in reversed(lines) if line)
            rest = first
        if rest:
            yield rest

    def first_number(self) -> int | None:
        """Return the number of the first line; None where there is none, or it is damaged."""
        record = chain.parse(next(self.lines(), b""))
        return record["n"] if record else None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The log at one moment.

    Attributes:
        head: What the head file says; None where it is missing or damaged.
        parts: The files that are kept, oldest first.
    """

    head: chain.Head | None
    parts: tuple[Part, ...]


@contextmanager
def snapshot(path: Path) -> Iterator[Snapshot]:
    """Open a log with its rotated files. What is appended, renamed or removed afterwards does not show.

    Raises:
        AuditError: It cannot be read.
    """
    try:
        with ExitStack() as stack:
            yield _open(path, stack)
    except OSError as exc:
        raise AuditError(f"The audit log {path} cannot be read: {exc.strerror}.") from exc


def _open(path: Path, stack: ExitStack) -> Snapshot:
    with ExitStack() as lock:
        head = None
        with suppress(FileNotFoundError):
            stream = lock.enter_context(chain.head_path(path).open("rb"))
            # A writer that is stopped in the middle keeps nobody from reading.
            with suppress(BlockingIOError):
                lock.enter_context(chain.locked(stream.fileno(), shared=True))
            head = chain.Head.parse(stream.read(chain.HEAD_BYTES))
        older = [chain.rotated_path(path, index) for index in reversed(chain.rotated(path))]
        # A crash in a rotation leaves no log, only rotated files.
        current = [path] if path.exists() or not older else []
        parts = [_part(each, stack) for each in (*older, *current)]
    return Snapshot(head, tuple(_kept(parts, head.first if head else 1)))


def _kept(parts: list[Part], start: int) -> list[Part]:
    """Return the files of the chain: those from before its start are what a crash in a rotation leaves."""
    numbers = [part.first_number() for part in parts]
    before = numbers.index(start) if start in numbers else 0
    # Any other file is one of another chain, and no accident.
    return parts[before:] if all(number is not None and number < start for number in numbers[:before]) else parts


def _part(path: Path, stack: ExitStack) -> Part:
    stream = stack.enter_context(path.open("rb"))
    size = stream.seek(0, 2)
    return Part(path.name, stream, size)
