"""What the tools of knowledge and insights have in common: the stores of a call, and the table of entries."""

from __future__ import annotations

from pgwarden.context import Context
from pgwarden.errors import NotSupportedError
from pgwarden.knowledge import Insights, Knowledge

_LEFT_OUT = 10
"""Files that are no entries of which the names are given."""


def knowledge(ctx: Context) -> Knowledge:
    """Return the store of knowledge.

    Raises:
        NotSupportedError: There is none.
    """
    if ctx.knowledge is None:
        raise NotSupportedError("This server keeps no knowledge.")
    return ctx.knowledge


def insights(ctx: Context) -> Insights:
    """Return the insights of the session.

    Raises:
        NotSupportedError: They are not kept.
    """
    if ctx.insights is None:
        raise NotSupportedError("This server keeps no insights.")
    return ctx.insights


def left_out(files: tuple[str, ...]) -> tuple[str, ...]:
    """Return which files are not among the entries, a line each."""
    more = (f"{len(files) - _LEFT_OUT:,} more files left out",) if len(files) > _LEFT_OUT else ()
    return (*(f"left out: {each}" for each in files[:_LEFT_OUT]), *more)
