"""The directory: its lock, and its files, each read or written as a whole.

Several processes may work in it. A change holds the lock file and puts the whole file in place by renaming it, so that
readers need no lock. Files are opened relative to the open directory and never through a symbolic link, so that no name
leads out of it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pgwarden.errors import WardenError
from pgwarden.knowledge.entry import ENTRY_BYTES

_LOCK_S = 5.0
_LOCK_PAUSE_S = 0.01
_LAST_S = 253_402_300_799
"""The end of the year 9999."""
_TEMPORARY = ".tmp-"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class KnowledgeError(WardenError):
    """The knowledge directory cannot be used."""

    code = "knowledge_unavailable"


class UnreadableError(Exception):
    """A file is no entry; the text says why."""


@contextmanager
def opened(directory: Path) -> Iterator[int | None]:
    """Yield the open directory; None where there is none.

    Raises:
        KnowledgeError: It cannot be used, or something in it.
    """
    folder: int | None
    with _explained(directory):
        try:
            folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            folder = None
        try:
            yield folder
        finally:
            if folder is not None:
                os.close(folder)


@contextmanager
def changing(directory: Path) -> Iterator[int]:
    """Yield the open directory with its lock held; it is made where there is none.

    Raises:
        KnowledgeError: It cannot be, or another process is changing it.
    """
    with _explained(directory):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with opened(directory) as folder:
        if folder is None:
            raise KnowledgeError("The knowledge directory was removed meanwhile.", hint="Try again.")
        with _locked(folder):
            for name in os.listdir(folder):
                if name.startswith(_TEMPORARY):  # of a process that was killed
                    os.unlink(name, dir_fd=folder)
            yield folder


def read(folder: int, file: str) -> tuple[bytes, float]:
    """Return a file's content and when it was changed, in seconds since 1970.

    Raises:
        UnreadableError: It is no plain file, too large, or the system does not give it.
    """
    try:
        descriptor = os.open(file, _READ, dir_fd=folder)
    except OSError as exc:
        why = "a symbolic link" if exc.errno == errno.ELOOP else exc.strerror or "it cannot be opened"
        raise UnreadableError(why) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError("no plain file")
        # Before fdopen, which a directory would make fail.
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            data = stream.read(ENTRY_BYTES + 1)
    except OSError as exc:
        raise UnreadableError(exc.strerror or "it cannot be read") from None
    finally:
        os.close(descriptor)
    if len(data) > ENTRY_BYTES:
        raise UnreadableError(f"more than {ENTRY_BYTES:,} bytes")
    # Some file systems give times that no calendar has.
    return data, min(max(status.st_mtime, 0), _LAST_S)


def put(folder: int, file: str, data: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = f"{_TEMPORARY}{secrets.token_hex(8)}"
    try:
        with os.fdopen(os.open(temporary, _MAKE, 0o600, dir_fd=folder), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)


@contextmanager
def _locked(folder: int) -> Iterator[None]:
    """Hold the directory's lock.

    Raises:
        KnowledgeError: Somebody else held it for some seconds.
    """
    descriptor = os.open(".lock", _LOCK, 0o600, dir_fd=folder)
    try:
        deadline = time.monotonic() + _LOCK_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise KnowledgeError(
                        "Another process is changing the knowledge.", code="knowledge_busy", hint="Try again."
                    ) from None
                time.sleep(_LOCK_PAUSE_S)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    """Turn errors of the system into ours."""
    try:
        yield
    except OSError as exc:
        link = exc.errno in (errno.ELOOP, errno.ENOTDIR, errno.EEXIST) and directory.is_symlink()
        why = "it is a symbolic link" if link else exc.strerror
        raise KnowledgeError(
            f"The knowledge directory cannot be used: {why}.",
            hint="Tell the person: it is the folder `knowledge` of PGWARDEN_HOME.",
        ) from exc
