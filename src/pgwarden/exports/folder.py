"""The export directory, and the names that lead to files under it and nowhere else.

Every step of a path is opened relative to the directory before it and never through a symbolic link, so that no name
leads out, whatever is put in its way meanwhile.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pgwarden.errors import ArgumentError
from pgwarden.exports.errors import explained
from pgwarden.exports.file import ExportFile, exists, remove_stale

SUFFIXES = {".csv": "csv", ".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet"}
_DEPTH = 8
_NAME_BYTES = 255
_PATH_CHARACTERS = 1024
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LOOKED_AT = 10_000
"""Files that are looked at to find stale ones."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file goes: the names of directories under the export directory, then its own."""

    steps: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(self.steps)


class ExportFolder:
    """The export directory."""

    def __init__(self, root: Path, max_bytes: int = 0) -> None:
        """Take its path, and the bytes that a file may have at most (0: no cap). Nothing is made yet."""
        self._root = Path(os.path.abspath(root))
        self._max_bytes = max_bytes

    def place(self, path: str, form: str) -> Place:
        """Return where a file goes.

        Args:
            path: As the caller gives it: relative to the directory, or absolute and in it; empty: a new name.
            form: Its format, whose ending is put behind a name that has that of none.

        Raises:
            ArgumentError: The path leads elsewhere, is hidden, or has the ending of another format.
        """
        if not path:
            now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            return Place((f"export-{now}-{secrets.token_hex(3)}.{form}",))
        inside = path
        if path.startswith("/"):
            prefix = f"{self._root}/"
            if not path.startswith(prefix):
                raise _wrong("it is absolute, and not in the export directory")
            inside = path[len(prefix) :]
        steps = inside.split("/")
        _check(path, steps)
        meant = SUFFIXES.get(os.path.splitext(steps[-1])[1].lower())
        if meant is None:
            # Rows can say anything: in a file of another ending they could be a program, or somebody's settings.
            steps[-1] += f".{form}"
        elif meant != form:
            raise ArgumentError(f"The path ends like {meant}, and the format is {form}.", hint="Change one of the two.")
        return Place(tuple(steps))

    def reaches(self, path: Path) -> bool:
        """Tell whether an export could take the place of a file, or of one in a directory of this name."""
        root, own = Path(os.path.realpath(self._root)), Path(os.path.realpath(path))
        if not own.is_relative_to(root):
            return False
        hidden = any(step.startswith(".") for step in own.relative_to(root).parts)
        return not hidden and (own.suffix.lower() in SUFFIXES or not own.is_file())

    def uri(self, place: Place) -> str:
        """Return the URI of a file."""
        return self.absolute(place).as_uri()

    def absolute(self, place: Place) -> Path:
        """Return the path of a file."""
        return self._root.joinpath(*place.steps)

    def clean(self) -> None:
        """Remove what processes that were killed have left. May take a moment.

        Raises:
            ExportError: The directory cannot be looked at.
        """
        with explained(), suppress(FileNotFoundError):
            folder = os.open(self._root, _OPEN)
            try:
                _clean(folder)
            finally:
                os.close(folder)

    def open(self, place: Place, *, overwrite: bool) -> ExportFile:
        """Make the directories that are missing, and begin a file.

        Raises:
            ArgumentError: There is a file of that name already, or a step of the path is no directory.
            ExportError: It cannot be made.
        """
        with explained():
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder = os.open(self._root, _OPEN)
            try:
                for step in place.steps[:-1]:
                    folder = _enter(folder, step)
                if not overwrite:
                    _check_free(folder, place)
                return ExportFile(folder, place.steps[-1], overwrite=overwrite, max_bytes=self._max_bytes)
            except BaseException:
                with suppress(OSError):
                    os.close(folder)
                raise


def _check(path: str, steps: list[str]) -> None:
    if len(path) > _PATH_CHARACTERS or len(steps) > _DEPTH or not path.isprintable():
        raise _wrong("it is too long, too deep, or has characters that cannot be printed")
    for step in steps:
        if not step:
            raise _wrong("a name in it is empty")
        if step.startswith("."):
            raise _wrong("a name in it begins with a dot")
        if len(step.encode()) > _NAME_BYTES - len(".parquet"):
            raise _wrong("a name in it is too long")


def _wrong(why: str) -> ArgumentError:
    return ArgumentError(
        f"The path is not accepted: {why}.",
        code="path_not_allowed",
        hint="Give one relative to the export directory, such as sales/2026.csv.",
    )


def _enter(folder: int, step: str) -> int:
    """Return the open directory of that name, made where there is none; closes the one that it is in."""
    with suppress(FileExistsError):
        os.mkdir(step, 0o700, dir_fd=folder)
    try:
        inner = os.open(step, _OPEN | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENOTDIR):
            raise _wrong(f"{step} is no directory, or a symbolic link") from None
        raise
    os.close(folder)
    return inner


def _check_free(folder: int, place: Place) -> None:
    try:
        os.stat(place.steps[-1], dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    raise exists(str(place))


def _clean(folder: int) -> None:
    looked_at = 0
    for _, _, names, inner in os.fwalk(".", dir_fd=folder):
        for name in names:
            remove_stale(inner, name)
        looked_at += len(names) + 1
        if looked_at > _LOOKED_AT:
            return
