"""An entry: a Markdown file with lines of ours on top.

    ---
    title: How orders are counted
    topics: orders, reporting
    updated: 2026-11-21T10:00:00Z
    ---

    Cancelled ones stay in the table; count `state <> 'x'`.

All of these lines may be missing, and so may the dashes. Any other line between the dashes stays as it is.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from pgwarden.errors import ArgumentError, NotFoundError, did_you_mean

ENTRY_BYTES = 65_536
"""Bytes of an entry's file at most."""
TITLE_CHARS = 200
TOPICS = 10
TOPIC_CHARS = 50

_NAME_BYTES = 120
"""Of a name that is made from a title."""
_ANY_HEADER = re.compile(r"\s*|[\w-]+[ \t]*:.*|[ \t#-].*")
"""A line between the dashes: empty, `key: value`, or what goes on with or comments on the one above."""
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a line must not hold: control characters, ends of lines, what turns the direction of text, halves of pairs."""
_UNFIT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_HEADER = re.compile(r"(title|topics|updated)[ \t]*:(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file.

    Attributes:
        name: The file's name without `.md`.
        title: As its header says, else its first heading, else the name.
        topics: In lower case.
        updated: When it was last changed, UTC, to the second.
        text: Markdown, without the header.
        size: Bytes of the file.
        extra: Lines of the header that are not ours.
    """

    name: str
    title: str
    topics: tuple[str, ...]
    updated: str
    text: str
    size: int = 0
    extra: tuple[str, ...] = ()


def name_of(title: str) -> str:
    """Return the name that is made from a title: its letters and digits in lower case, with hyphens between.

    Raises:
        ArgumentError: It has none.
    """
    plain = folded(title)
    # Marks belong to the letters that they stand on.
    kept = "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in plain)
    name = "-".join(kept.split())
    if not name:
        raise ArgumentError("The title has no letter and no digit.", hint="Say in a few words what it is about.")
    if len(name.encode()) <= _NAME_BYTES:
        return name
    mark = hashlib.sha256(plain.encode()).hexdigest()[:8]
    return f"{name.encode()[: _NAME_BYTES - 9].decode(errors='ignore').rstrip('-')}-{mark}"


def topics_of(topics: Sequence[str]) -> tuple[str, ...]:
    """Return topics as they are kept: in lower case, each once.

    Raises:
        ArgumentError: There are too many, or one cannot be a topic.
    """
    kept = dict.fromkeys(_topic(each) for each in topics)
    for topic in kept:
        if not topic or len(topic) > TOPIC_CHARS or "," in topic or _UNFIT.search(topic):
            raise ArgumentError(
                f"{topic[:TOPIC_CHARS]!r} cannot be a topic.",
                hint=f"A topic is a word or two of at most {TOPIC_CHARS} characters, without commas.",
            )
    if len(kept) > TOPICS:
        raise ArgumentError(f"An entry has at most {TOPICS} topics; there are {len(kept)}.", hint="Give the main ones.")
    return tuple(kept)


def with_topics(entries: Sequence[Entry], topics: Sequence[str]) -> list[Entry]:
    """Return the entries that have all of the topics.

    Raises:
        NotFoundError: No entry has one of them; the hint has the nearest topic.
    """
    known = {topic for entry in entries for topic in entry.topics}
    wanted = topics_of(topics)
    for topic in wanted:
        if topic not in known:
            near = did_you_mean(topic, known)
            some = f"There are: {', '.join(sorted(known)[:20])}." if known else "No entry has topics."
            hint = f"Did you mean {near}?" if near else some
            raise NotFoundError(f"No entry has the topic {topic!r}.", hint=hint)
    return [entry for entry in entries if {*wanted} <= {*entry.topics}]


def parse(name: str, data: bytes, changed: float) -> Entry:
    """Return the entry of a file. Every text is one.

    Args:
        name: The file's name without `.md`.
        data: Its content.
        changed: When it was changed, in seconds since 1970.

    Raises:
        UnicodeDecodeError: It is no text in UTF-8.
    """
    text = data.decode("utf-8-sig").replace("\r\n", "\n")
    header, body = _split(text)
    said: dict[str, str] = {}
    extra: list[str] = []
    for line in header:
        if match := _HEADER.fullmatch(line.strip()):
            said[match[1].lower()] = match[2].strip()
        elif line.strip():
            extra.append(line)
    title = _one_line(said.get("title", "") or _heading(body) or name)
    topics = dict.fromkeys(topic for each in said.get("topics", "").split(",") if (topic := _topic(_one_line(each))))
    updated = _moment(said.get("updated", "")) or written(changed)
    return Entry(name, title, tuple(topics), updated, body.strip("\n"), len(data), tuple(extra))


def encode(entry: Entry) -> bytes:
    """Return the content of an entry's file."""
    header = [f"title: {entry.title}", f"topics: {', '.join(entry.topics)}", f"updated: {entry.updated}", *entry.extra]
    lines = ["---", *(line.rstrip() for line in header), "---", "", entry.text, ""]
    return "\n".join(lines).encode()


def checked_title(title: str) -> str:
    """Return a title as it is kept.

    Raises:
        ArgumentError: It is empty, too long, or no line that shows.
    """
    title = title.strip()
    if not title or len(title) > TITLE_CHARS or _UNFIT.search(title):
        raise ArgumentError(
            "The title cannot be kept.", hint=f"Give one line of at most {TITLE_CHARS} characters that show."
        )
    return " ".join(title.split())


def checked_text(text: str) -> str:
    """Return a text as it is kept.

    Raises:
        ArgumentError: It is empty, or has control characters.
    """
    text = text.replace("\r\n", "\n").strip("\n")
    if not text.strip():
        raise ArgumentError("The text is empty.", hint="Give Markdown.")
    if unfit := _UNFIT_TEXT.search(text):
        raise ArgumentError(
            f"The text has a character that is no text: U+{ord(unfit[0]):04X}.", hint="Leave control characters out."
        )
    return text


def shows(line: str) -> bool:
    """Tell whether a line has only what can be shown on one."""
    return not _UNFIT.search(line)


def folded(text: str) -> str:
    """Return a text in the form in which texts are compared."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def same(one: str, other: str) -> bool:
    """Tell whether two titles are the same but for case and spaces."""
    return " ".join(folded(one).split()) == " ".join(folded(other).split())


def written(seconds: float) -> str:
    """Return seconds since 1970 as they are written: UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _split(text: str) -> tuple[list[str], str]:
    """Return the lines of the header, and the rest. What is no whole header is text."""
    lines = text.split("\n")
    if lines[0].rstrip() == "---":
        end = next((at for at, line in enumerate(lines) if at and line.rstrip() == "---"), 0)
        # Two rules across a text are no header.
        whole = end > 0 and all(map(_ANY_HEADER.fullmatch, lines[1:end]))
        return (lines[1:end], "\n".join(lines[end + 1 :])) if whole else ([], text)
    end = next((at for at, line in enumerate(lines) if not _HEADER.fullmatch(line.strip())), len(lines))
    whole = end == len(lines) or not lines[end].strip()
    return (lines[:end], "\n".join(lines[end:])) if whole else ([], text)


def _topic(topic: str) -> str:
    return " ".join(folded(topic).split())


def _one_line(text: str) -> str:
    """Return a line of a file that people wrote, as far as it can be shown."""
    return _UNFIT.sub(" ", text).strip()[:TITLE_CHARS]


def _heading(text: str) -> str:
    match = re.search(r"^#{1,6}[ \t]+(.+)$", text, re.MULTILINE)
    return match[1].rstrip(" \t#") if match else ""


def _moment(said: str) -> str:
    """Return a time that somebody wrote as ours is written; empty where it is none."""
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(said)
        return written((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    return ""
