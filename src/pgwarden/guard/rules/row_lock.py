"""FOR UPDATE, FOR NO KEY UPDATE, FOR SHARE and FOR KEY SHARE lock rows, and write to their pages."""

from __future__ import annotations

from typing import Final

from pgwarden.guard.names import Names
from pgwarden.guard.parsed import Refused
from pgwarden.guard.stream import Stream

_STRENGTHS: Final = frozenset({"update", "share", "no", "key"})


def check(stream: Stream, _: Names) -> None:
    """Refuse row locks. `substring(x FOR share)` in brackets of a call is refused as well: it is not worth a doubt."""
    for index, word in enumerate(stream.words[: stream.size]):
        if word == "for" and stream.words[index + 1] in _STRENGTHS:
            raise Refused("row_lock", "The statement locks rows, which is not accepted.", "Leave the FOR clause out.")
