"""What the server says while a change runs: a few notices and warnings, cut to a length."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg.errors import Diagnostic

MOST = 20
"""Notices that are kept."""
LONGEST = 500
"""Characters of one."""
_SEVERITIES = frozenset({"NOTICE", "WARNING", "INFO"})


class Notices:
    """Collects notices; for `Link.listening`."""

    def __init__(self, *, scrub: bool = False) -> None:
        """Start empty.

        Args:
            scrub: Whether they could quote masked values, and may only be counted.
        """
        self._scrub = scrub
        self._kept: list[str] = []
        self._more = 0

    def __call__(self, said: Diagnostic) -> None:
        """Take a notice."""
        if said.severity_nonlocalized not in _SEVERITIES:
            return
        if self._scrub or len(self._kept) == MOST:
            self._more += 1
            return
        text = ": ".join(filter(None, (said.message_primary, said.message_detail)))
        self._kept.append(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")

    def texts(self) -> tuple[str, ...]:
        """Return what was kept, and how many were not."""
        if not self._more:
            return tuple(self._kept)
        why = " because columns are masked" if self._scrub else ""
        one = "1 notice of the server is" if self._more == 1 else f"{self._more} notices of the server are"
        return (*self._kept, f"{one} not shown{why}")
