"""Where a result goes on. A cursor is a short random name of what is kept here, bound to its tool and arguments."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pgwarden.errors import CursorError

UNBOUND = frozenset({"cursor", "max_rows", "format", "timeout_s"})
"""Arguments that may differ from page to page."""


@dataclass(frozen=True, slots=True)
class Page:
    """The arguments of the first call, and the tool's own state; `place` is where it ran: a name and a number."""

    tool: str
    arguments: Mapping[str, Any]
    state: Any
    expires: float
    place: tuple[str, int] = ("", 0)


class Pages:
    """The cursors of one process; the least recently used ones go first."""

    def __init__(self, capacity: int = 256, lifetime: float = 3600) -> None:
        """Keep at most `capacity` cursors, each for `lifetime` seconds."""
        self._capacity = capacity
        self._lifetime = lifetime
        self._pages: OrderedDict[str, Page] = OrderedDict()

    def save(self, tool: str, arguments: Mapping[str, Any], state: Any, place: tuple[str, int] = ("", 0)) -> str:
        """Keep a page and return its cursor."""
        cursor = secrets.token_hex(4)
        bound = {name: value for name, value in arguments.items() if name not in UNBOUND}
        self._pages[cursor] = Page(tool, bound, state, time.monotonic() + self._lifetime, place)
        if len(self._pages) > self._capacity:
            self._pages.popitem(last=False)
        return cursor

    def load(self, cursor: str, tool: str, arguments: Mapping[str, Any], place: tuple[str, int] = ("", 0)) -> Page:
        """Return the page of a cursor. It stays valid, so that a page can be read again.

        Raises:
            CursorError: The cursor is unknown, expired, of another tool or connection, or comes with other arguments.
        """
        page = self._pages.get(cursor)
        if page is None or page.expires < time.monotonic():
            raise CursorError(hint="Call again without cursor to start over.")
        if page.place[0] != place[0]:
            raise CursorError(
                f"The cursor belongs to the connection {page.place[0]}; the current one is {place[0]}.",
                hint=f"Call connect to go back to {page.place[0]}, or call without cursor to start over here.",
            )
        if page.place != place:
            raise CursorError(
                "The connection's database is another one since its settings were changed.",
                hint="Call again without cursor to start over.",
            )
        if page.tool != tool:
            raise CursorError(f"The cursor belongs to {page.tool}.", hint=f"Continue with {page.tool}.")
        for name, value in arguments.items():
            left_out = name not in page.arguments and not value
            if name not in UNBOUND and not left_out and page.arguments.get(name) != value:
                raise CursorError(
                    f"The cursor belongs to a call with another {name}.",
                    hint=f"Leave {name} out, or call without cursor to start over.",
                )
        self._pages.move_to_end(cursor)
        return page
