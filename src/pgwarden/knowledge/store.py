"""The entries of a directory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pgwarden.errors import ArgumentError, NotFoundError, did_you_mean
from pgwarden.knowledge.entry import (
    ENTRY_BYTES,
    TITLE_CHARS,
    Entry,
    checked_text,
    checked_title,
    encode,
    name_of,
    parse,
    same,
    shows,
    topics_of,
    written,
)
from pgwarden.knowledge.folder import KnowledgeError, UnreadableError, changing, opened, put, read
from pgwarden.results import Report

TOTAL_BYTES = 8_388_608
ENTRIES = 1_000
_FILE_BYTES = 200
"""Of a file's name; with what stands around it in the copy's name it stays below the 255 of file systems."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is in the directory: the entries by name, and the files that cannot be read as one, with why."""

    entries: tuple[Entry, ...] = ()
    left_out: tuple[str, ...] = ()


class Knowledge:
    """The entries of one directory. Every method blocks on files."""

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Take the directory; it is made when something is first saved."""
        self._directory = directory
        self._clock = clock

    def shelf(self) -> Shelf:
        """Return everything there is.

        Raises:
            KnowledgeError: The directory cannot be read.
        """
        with opened(self._directory) as folder:
            return _shelf(folder) if folder is not None else Shelf()

    def get(self, name: str) -> Entry:
        """Return the entry of a name or title.

        Raises:
            NotFoundError: There is none; the hint has the nearest name.
            KnowledgeError: Its file, or the directory, cannot be read.
        """
        with opened(self._directory) as folder:
            if folder is None:
                raise _missing(name, ())
            return _find(folder, name)

    def save(self, title: str, text: str, topics: Sequence[str] = ()) -> tuple[Entry, bool]:
        """Write an entry; where there is one of this title, in its place, and keep a copy of what it was.

        Args:
            title: One line of at most TITLE_CHARS characters.
            text: Markdown.
            topics: At most TOPICS, of TOPIC_CHARS each.

        Returns:
            The entry, and whether there was one.

        Raises:
            ArgumentError: Something of it cannot be kept, is too long, there is no room (`knowledge_full`), or its name
                belongs to an entry with another title (`name_taken`).
            KnowledgeError: It cannot be written.
        """
        title, topics, text = checked_title(title), topics_of(topics), checked_text(text)
        with changing(self._directory) as folder:
            shelf = _shelf(folder)
            old = next((entry for entry in shelf.entries if same(entry.title, title)), None)
            name = old.name if old else _free(folder, name_of(title))
            updated = written(self._clock())
            data = encode(Entry(name, title, topics, updated, text, extra=old.extra if old else ()))
            _check_room(shelf, old, len(data))
            if old:
                _keep_copy(folder, name)
            put(folder, f"{name}.md", data)
            return Entry(name, title, topics, updated, text, len(data)), old is not None

    def delete(self, name: str) -> Entry:
        """Remove an entry and the copy of what it was before; return it.

        Raises:
            NotFoundError: There is none.
            KnowledgeError: It cannot be removed.
        """
        with changing(self._directory) as folder:
            entry = _find(folder, name)
            os.unlink(f"{entry.name}.md", dir_fd=folder)
            with suppress(FileNotFoundError):
                os.unlink(_copy(entry.name), dir_fd=folder)
            os.fsync(folder)
            return entry

    def report(self) -> Report:
        """Return the list of the entries, as a document.

        Raises:
            KnowledgeError: The directory cannot be read.
        """
        shelf = self.shelf()
        lines = [f"- {each.name}: {each.title}{_bracketed(each.topics)}, {each.updated}" for each in shelf.entries]
        lines += [f"- left out: {each}" for each in shelf.left_out]
        entries = [
            {"name": each.name, "title": each.title, "topics": list(each.topics), "updated": each.updated}
            for each in shelf.entries
        ]
        return Report("\n".join(lines) or "Nothing is known yet.", {"entries": entries, "left_out": [*shelf.left_out]})


def _shelf(folder: int) -> Shelf:
    names = sorted(name for name in os.listdir(folder) if name.endswith(".md") and not name.startswith("."))
    entries: list[Entry] = []
    left_out: list[str] = []
    if len(names) > ENTRIES:
        left_out.append(f"the last {len(names) - ENTRIES:,} files by name (no more than {ENTRIES:,} are read)")
    for name in names[:ENTRIES]:
        try:
            entries.append(_entry(folder, name))
        except UnreadableError as exc:
            left_out.append(f"{ascii(name)[1:-1]} ({exc})")
    return Shelf(tuple(entries), tuple(left_out))


def _find(folder: int, name: str) -> Entry:
    """Return the entry of a name, else of a title, else of the name that such a title gets."""
    shelf = _shelf(folder)
    wanted = name.removesuffix(".md")
    made = ""
    with suppress(ArgumentError):
        made = name_of(wanted)
    tests: tuple[Callable[[Entry], bool], ...] = (
        lambda entry: entry.name == wanted,
        lambda entry: same(entry.title, name),
        lambda entry: entry.name == made,
    )
    for fits in tests:
        if (found := next(filter(fits, shelf.entries), None)) is not None:
            return found
    broken = next((each for each in shelf.left_out if each.startswith(f"{ascii(wanted)[1:-1]}.md (")), None)
    if broken is not None:
        raise _broken(broken)
    raise _missing(name, shelf.entries)


def _missing(name: str, entries: Sequence[Entry]) -> NotFoundError:
    near = did_you_mean(name[:TITLE_CHARS], [entry.name for entry in entries])
    return NotFoundError(
        f"There is no entry {name[:TITLE_CHARS]!r}.",
        hint=f"Did you mean {near}?" if near else "list_knowledge lists them; search_knowledge finds words.",
    )


def _entry(folder: int, file: str) -> Entry:
    """Return the entry of a file.

    Raises:
        UnreadableError: It is none.
    """
    if not shows(file) or len(os.fsencode(file)) > _FILE_BYTES:
        raise UnreadableError("its name is too long or has characters that do not show")
    data, changed = read(folder, file)
    try:
        return parse(file.removesuffix(".md"), data, changed)
    except UnicodeDecodeError:
        raise UnreadableError("not a text in UTF-8") from None


def _keep_copy(folder: int, name: str) -> None:
    """Keep what an entry is now.

    Raises:
        KnowledgeError: Somebody has made it unreadable meanwhile.
    """
    try:
        data, _ = read(folder, f"{name}.md")
    except UnreadableError as exc:
        raise _broken(f"{name}.md ({exc})") from None
    put(folder, _copy(name), data)


def _copy(name: str) -> str:
    """Return the file's name of the copy of what an entry was before; with its dot it is no entry."""
    return f".{name}.md.before"


def _free(folder: int, name: str) -> str:
    """Return the name of a new entry.

    Raises:
        ArgumentError: An entry of another title has it.
        KnowledgeError: A file has it that is no entry.
    """
    try:
        os.stat(f"{name}.md", dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return name
    try:
        taken = _entry(folder, f"{name}.md")
    except UnreadableError as exc:
        raise _broken(f"{name}.md ({exc})") from None
    raise ArgumentError(
        f"The name {name!r} of this title belongs to the entry {taken.title!r}.",
        code="name_taken",
        hint="Use that title to replace the entry, or another one.",
    )


def _broken(what: str) -> KnowledgeError:
    return KnowledgeError(
        f"A file in the place of the entry cannot be read: {what}.",
        code="knowledge_unreadable",
        hint="Tell the person: they have to repair or remove it, in the folder `knowledge` of PGWARDEN_HOME.",
    )


def _check_room(shelf: Shelf, old: Entry | None, size: int) -> None:
    """Refuse what is too large.

    Raises:
        ArgumentError: The entry is, or all of them would be.
    """
    if size > ENTRY_BYTES:
        raise ArgumentError(
            f"An entry has at most {ENTRY_BYTES:,} bytes; this one has {size:,}.", hint="Make several of it."
        )
    total = sum(entry.size for entry in shelf.entries) + size - (old.size if old else 0)
    if (not old and len(shelf.entries) >= ENTRIES) or total > TOTAL_BYTES:
        raise ArgumentError(
            f"There is no room: at most {ENTRIES:,} entries of {TOTAL_BYTES:,} bytes together.",
            code="knowledge_full",
            hint="Ask the person which entries can go.",
        )


def _bracketed(topics: Sequence[str]) -> str:
    return f" ({', '.join(topics)})" if topics else ""
