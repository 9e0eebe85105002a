"""One file on its way: written under another name, and given its own when it is whole."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import threading
from contextlib import suppress

from pgwarden.errors import ArgumentError
from pgwarden.exports.errors import ExportError, explained, full

PREFIX, SUFFIX = ".pgwarden-", ".part"
"""Of names of files that are not whole; no file of a caller's begins with a dot."""
MIN_FREE = 64 << 20
"""Bytes that stay free on the disk, on which the audit log may be as well."""
_LOOK = 8 << 20
"""Bytes after which the free room is looked at again."""
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES = 16
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)


class ExportFile:
    """A file that is being written. A lock on it says to other processes that it is, and ends with this one.

    `write` may be called from another thread than `discard`; all else is for one at a time.
    """

    def __init__(self, folder: int, name: str, *, overwrite: bool, max_bytes: int) -> None:
        """Make the temporary file.

        Args:
            folder: The open directory; closed with the file, where one is made.
            name: What it will be called.
            overwrite: Whether it may take the place of another.
            max_bytes: Bytes at most; 0: no cap.

        Raises:
            ExportError: It cannot be made.
        """
        self._folder, self._name = folder, name
        self._overwrite, self._max_bytes = overwrite, max_bytes
        self._lock = threading.Lock()
        self._looked = 0
        self.size = 0
        self.closed = self._removed = False
        with explained():
            self._check_room()
            self._temporary, self._file = _make(folder)

    def write(self, data: bytes | bytearray) -> int:
        """Append bytes, and return how many; after `discard` they go nowhere.

        Raises:
            ExportError: There is no room, or the cap is exceeded (`export_too_large`).
        """
        try:
            with self._lock, explained():
                if not self.closed:
                    self._append(data)
        finally:
            if self.closed:
                self._remove()
        return len(data)

    def tell(self) -> int:
        """Return where the next byte goes."""
        return self.size

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""

    def sync(self) -> None:
        """Force it to disk. May take seconds.

        Raises:
            ExportError: The system could not keep it.
        """
        with explained():
            os.fsync(self._file)

    def publish(self) -> None:
        """Give it its name. Quick, and all or nothing.

        Raises:
            ArgumentError: There is a file of that name (`file_exists`), or something that is none.
            ExportError: The system refuses.
        """
        try:
            with explained():
                self._rename()
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what has no name yet, and close everything. Never raises, and never waits for the disk."""
        self.closed = True
        self._remove()

    def _append(self, data: bytes | bytearray) -> None:
        if self._max_bytes and self.size + len(data) > self._max_bytes:
            raise ExportError(
                f"The file would be larger than {self._max_bytes:,} bytes; nothing was kept of it.",
                code="export_too_large",
                hint="Export fewer columns or rows, or let the person raise PGWARDEN_EXPORT_MAX_BYTES.",
            )
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
        self.size += len(data)
        if self.size - self._looked > _LOOK:
            self._check_room()

    def _remove(self) -> None:
        # Whoever is writing, perhaps to a disk that hangs, comes here afterwards.
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._removed:
                return
            self._removed = True
            with suppress(OSError):
                os.unlink(self._temporary, dir_fd=self._folder)
            for descriptor in (self._file, self._folder):
                with suppress(OSError):
                    os.close(descriptor)
        finally:
            self._lock.release()

    def _rename(self) -> None:
        there = self._folder
        if not os.path.samestat(os.stat(self._temporary, dir_fd=there, follow_symlinks=False), os.fstat(self._file)):
            raise ExportError("Somebody has put another file in the place of this one while it was written.")
        try:
            if self._overwrite:
                os.replace(self._temporary, self._name, src_dir_fd=there, dst_dir_fd=there)
            else:
                # Renaming would replace a file that has come meanwhile; a link never does.
                os.link(self._temporary, self._name, src_dir_fd=there, dst_dir_fd=there, follow_symlinks=False)
        except FileExistsError:
            raise exists(self._name) from None
        except IsADirectoryError:
            raise ArgumentError(f"{self._name} is a directory.", hint="Give another path.") from None
        except OSError as exc:
            if self._overwrite or exc.errno not in _NO_LINKS:
                raise
            raise ExportError(
                "The disk of the export directory cannot keep an existing file safe: it has no hard links.",
                hint="Send overwrite=true, or let the person set PGWARDEN_EXPORT_DIR.",
            ) from None
        with suppress(OSError):
            # Some file systems have nothing to force for a directory.
            os.fsync(there)

    def _check_room(self) -> None:
        self._looked = self.size
        disk = os.fstatvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < MIN_FREE:
            raise full()


def exists(name: str) -> ArgumentError:
    """Return the error of a name that is taken."""
    return ArgumentError(
        f"There is a file {name} already.", code="file_exists", hint="Give another path, or overwrite=true."
    )


def remove_stale(folder: int, name: str) -> bool:
    """Remove a temporary file of a process that is gone. Returns whether it was one."""
    if not (name.startswith(PREFIX) and name.endswith(SUFFIX)):
        return False
    try:
        found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return False
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=folder)
    except OSError:
        return False
    finally:
        os.close(found)
    return True


def _make(folder: int) -> tuple[str, int]:
    for _ in range(_TRIES):
        name = f"{PREFIX}{secrets.token_hex(8)}{SUFFIX}"
        made = os.open(name, _MAKE, 0o600, dir_fd=folder)
        try:
            fcntl.flock(made, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(made).st_nlink:
                return name, made
        except BlockingIOError:
            pass  # Another process took it for a stale one before it was locked.
        except OSError:
            os.close(made)
            os.unlink(name, dir_fd=folder)
            raise
        os.close(made)
    raise OSError(errno.EAGAIN, "other processes are in the way")
