"""TREAT(x AS name) calls the function of that name, whatever it is."""

from __future__ import annotations

from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused
from pgwarden.guard.stream import Stream


def check(stream: Stream, _: Names) -> None:
    """Refuse TREAT with a bracket."""
    for index, word in enumerate(stream.words[: stream.size]):
        if word == "treat" and stream.marks[index + 1] == "(":
            raise Refused("function_not_allowed", "TREAT is not accepted.", "Use CAST(x AS type).")
