"""TABLESAMPLE looks its method up among the functions; the two built-in ones are known."""

from __future__ import annotations

from typing import Final

from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused
from pgwarden.guard.stream import Stream

_METHODS: Final = frozenset({"bernoulli", "system"})


def check(stream: Stream, _: Names) -> None:
    """Refuse sampling methods but BERNOULLI and SYSTEM."""
    for index, word in enumerate(stream.words[: stream.size]):
        if word == "tablesample" and (stream.value(index + 1) not in _METHODS or stream.marks[index + 2] != "("):
            raise Refused("function_not_allowed", "The sampling method is not known.", "Use BERNOULLI or SYSTEM.")
