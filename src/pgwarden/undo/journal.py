"""The files: written and forced to disk before COMMIT, renamed behind it, the oldest removed when there are too many.

    ID.prepared    its transaction was about to be committed; whether it was, the server knows by the transaction's id
    ID.json        it was committed

A process that is killed in between leaves the first kind. Several processes share the directory: each file is written
once, by one of them, and renaming and removing one that is gone is no error.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pgwarden.undo.entry import Entry, parse

log = logging.getLogger(__name__)

_NAME = re.compile(r"([0-9a-z]{12})\.(prepared|json)")
_DAY_S = 86_400
_PURGE_S = 60.0
"""Seconds after which what is too old is looked for again: looking costs more than writing does."""
_SHARE = 16
"""Of the bytes of all: what may be written until then."""
_HEAD_BYTES = 1_048_576
"""Bytes of a first line at most."""
ID_BYTES = 6
"""Of an id: enough that none is guessed."""


class JournalError(Exception):
    """The journal cannot be written."""


class Journal:
    """The directory of what can be undone."""

    def __init__(self, folder: Path, *, days: float, max_bytes: int) -> None:
        """Take the directory, which is made when it is first written to.

        Args:
            folder: The directory.
            days: For how long a change is kept.
            max_bytes: Bytes of all files together, beyond which the oldest are removed.
        """
        self._folder = folder
        self._days = days
        self._max_bytes = max_bytes
        self._purged: float | None = None
        self._written = 0

    @staticmethod
    def new_id() -> str:
        """Return an id that no other entry has."""
        return secrets.token_hex(ID_BYTES)

    def prepare(self, entry: Entry) -> bool:
        """Write an entry, and force it to disk. Returns False where it is larger than all may be together.

        Raises:
            JournalError: It cannot be written; nothing is left of it.
        """
        path = self._path(entry.id, "prepared")
        try:
            data = entry.dump()
            if len(data) > self._max_bytes or len(data.partition(b"\n")[0]) > _HEAD_BYTES:
                return False
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(len(data))
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                self._sync()
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        except (OSError, UnicodeEncodeError) as exc:
            # Not the path: it is the server's, and nothing for the caller.
            why = exc.strerror if isinstance(exc, OSError) and exc.strerror else type(exc).__name__
            log.warning("the journal of changes: %s", exc)
            raise JournalError(why) from None
        return True

    def settle(self, entry_id: str, *, committed: bool) -> None:
        """Say how a transaction that was prepared has ended. Never raises: the server can be asked again."""
        try:
            path = self._path(entry_id, "prepared")
            if committed:
                path.rename(self._path(entry_id, "json"))
            else:
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        except OSError as exc:
            log.warning("the journal of changes: %s", exc)

    def entries(self) -> Iterator[Entry]:
        """Yield what can be read, the newest first, without its rows; what is damaged is logged and left out."""
        for path in self._files():
            found = self._read(path, whole=False)
            if found is None and path.suffix == ".prepared":
                # It may have been settled since.
                found = self._read(path.with_suffix(".json"), whole=False)
            if found is not None:
                yield found

    def find(self, entry_id: str) -> Entry | None:
        """Return an entry by its id, with its rows; None where there is none that can be read."""
        for kind in ("json", "prepared", "json"):
            path = self._path(entry_id, kind)
            if _NAME.fullmatch(path.name) and (found := self._read(path, whole=True)) is not None:
                return found
        return None

    def _read(self, path: Path, *, whole: bool) -> Entry | None:
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as file:
                facts = os.fstat(handle)
                # A file of somebody else's would be their change in our name.
                if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
                    log.warning("%s is not used: it is no file of this user's alone", path.name)
                    return None
                data = file.read(self._max_bytes + 1) if whole else file.readline(_HEAD_BYTES + 100)
        except OSError:
            return None
        found = parse(data, True if path.suffix == ".json" else None)
        if found is None or found.id != path.stem:
            log.warning("%s is damaged, and not used", path.name)
            return None
        return found if time.time() - found.time <= self._days * _DAY_S else None

    def _files(self) -> list[Path]:
        """Return the entries' files, the newest first."""
        found: list[tuple[float, Path]] = []
        with suppress(OSError), os.scandir(self._folder) as listed:
            for each in listed:
                if _NAME.fullmatch(each.name):
                    with suppress(OSError):
                        found.append((each.stat(follow_symlinks=False).st_mtime, Path(each.path)))
        return [path for _, path in sorted(found, reverse=True)]

    def _make_room(self, wanted: int) -> None:
        """Remove what is too old, and the oldest of what is too much; not each time, for many files take their time."""
        now = time.monotonic()
        self._written += wanted
        if self._purged is not None and now - self._purged < _PURGE_S and self._written * _SHARE <= self._max_bytes:
            return
        self._purged, self._written = now, 0
        left = self._max_bytes - wanted
        for path in self._files():
            with suppress(OSError):
                facts = path.stat(follow_symlinks=False)
                left -= facts.st_size
                if left < 0 or time.time() - facts.st_mtime > self._days * _DAY_S:
                    path.unlink(missing_ok=True)

    def _path(self, entry_id: str, kind: str) -> Path:
        return self._folder / f"{entry_id}.{kind}"

    def _sync(self) -> None:
        """Force the directory's own entry to disk."""
        handle = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
