"""What was found in this session: in memory, and gone with the process."""

from __future__ import annotations

import time
from collections.abc import Callable

from pgwarden.errors import ArgumentError
from pgwarden.knowledge.entry import checked_text, written
from pgwarden.results import Report

INSIGHTS = 200
"""Insights of a session at most."""
INSIGHT_CHARS = 2_000


class Insights:
    """What was found in this session; gone with the process."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start with none."""
        self._kept: list[tuple[str, str]] = []
        self._clock = clock

    def append(self, text: str) -> int:
        """Keep an insight, and return how many there are.

        Raises:
            ArgumentError: It is empty, longer than INSIGHT_CHARS, or there are INSIGHTS already (`insights_full`).
        """
        text = checked_text(text)
        if len(text) > INSIGHT_CHARS:
            raise ArgumentError(
                f"An insight has at most {INSIGHT_CHARS:,} characters; this one has {len(text):,}.",
                hint="Say it in a few sentences.",
            )
        if len(self._kept) >= INSIGHTS:
            raise ArgumentError(
                f"There are {INSIGHTS} insights, and no room for more in this session.",
                code="insights_full",
                hint="Read memo://insights, and go on without it.",
            )
        self._kept.append((written(self._clock()), text))
        return len(self._kept)

    def report(self) -> Report:
        """Return them all, oldest first."""
        lines = [f"- {text}".replace("\n", "\n  ") for _, text in self._kept]
        insights = [{"time": when, "text": text} for when, text in self._kept]
        return Report("\n".join(lines) or "No insights yet.", {"insights": insights})
