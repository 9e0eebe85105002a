"""Which files of the configuration have changed: one stat a file and call, and patience while one is being written.

An editor empties a file and writes it again. What is read in between may be a valid policy with fewer rules, so a
change counts once the file has rested for a moment; and for longer where it has become shorter.
"""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Iterable
from pathlib import Path

Stamp = tuple[int, int, int, int, int] | None
"""When it was written in nanoseconds, size, inode, device, and when it was changed, which nobody can set back; None
where there is no such file. Of a pipe and the like only inode and device count."""

REST_S = 0.25
"""Seconds for which a changed file must have been left alone."""
CUT_REST_S = 2.0
"""The same for a file that has become shorter."""
_LOOK_S = 0.05
_LONGEST_S = 10.0
"""Seconds that a call waits at most for files that change all the time; what is there counts then."""


class Watch:
    """Watches files for changes."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Take the files as they are now for known."""
        self._paths: tuple[Path, ...] = ()
        self._known: tuple[Stamp, ...] = ()
        self._texts: dict[Path, bytes] = {}
        self.accept(paths)

    def accept(self, paths: Iterable[Path]) -> None:
        """Watch these files from now on, and take them as they are now for known and valid."""
        self.look(paths)
        self._texts = {path: _bytes(path) for path in self._paths}

    def look(self, paths: Iterable[Path]) -> None:
        """Watch these files from now on, and take them as they are now for known, be they valid or not."""
        self._paths = tuple(dict.fromkeys(paths))
        self._known = self.stamps()

    def stamps(self) -> tuple[Stamp, ...]:
        """Return the stamps of the files, as they are now."""
        return tuple(map(_stamp, self._paths))

    def changed(self) -> bool:
        """Tell whether a file is another than the known one."""
        return bool(self._paths) and self.stamps() != self._known

    def emptied(self) -> Path | None:
        """Return a file that has nothing in it, and had something when it was last accepted."""
        return next((path for path, text in self._texts.items() if text.strip() and not _bytes(path).strip()), None)

    async def settled(self) -> None:
        """Wait until the files have rested."""
        seen, since, start = self.stamps(), time.monotonic(), time.monotonic()
        while True:
            rest = max((self._rest(*each) for each in zip(self._paths, seen, strict=True)), default=0.0)
            # By our own clock where the file's is another one.
            rest = min(rest, self._patience() - (time.monotonic() - since))
            if rest <= 0 or time.monotonic() - start > _LONGEST_S:
                return
            await asyncio.sleep(min(rest, _LOOK_S))
            now = self.stamps()
            if now != seen:
                seen, since = now, time.monotonic()

    def _rest(self, path: Path, stamp: Stamp) -> float:
        """Return for how many seconds a file should still be left alone."""
        if stamp is None or stamp == dict(zip(self._paths, self._known, strict=True)).get(path):
            return 0.0
        return self._needs(path) - abs(time.time() - stamp[0] / 1e9)

    def _patience(self) -> float:
        return max(map(self._needs, self._paths), default=0.0)

    def _needs(self, path: Path) -> float:
        return CUT_REST_S if len(_bytes(path)) < len(self._texts.get(path, b"")) else REST_S


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return 0, 0, found.st_ino, found.st_dev, 0
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev, found.st_ctime_ns


def _bytes(path: Path) -> bytes:
    try:
        # Reading from a pipe might never end.
        return path.read_bytes() if path.is_file() else b""
    except OSError:
        return b""
