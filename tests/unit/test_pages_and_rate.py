"""Cursors and the rate limit."""

from __future__ import annotations

import pytest

from pgwarden.errors import CursorError, RateLimitedError
from pgwarden.pages import Pages
from pgwarden.rate import RateLimit


def test_a_cursor_brings_back_arguments_and_state() -> None:
    """The same cursor can be used again; caps and formats are not bound to it."""
    pages = Pages()
    cursor = pages.save("run_query", {"sql": "SELECT 1", "max_rows": 5, "format": "csv"}, {"offset": 5})
    for _ in range(2):
        page = pages.load(cursor, "run_query", {"cursor": cursor, "max_rows": 7, "params": []})
        assert (page.arguments, page.state) == ({"sql": "SELECT 1"}, {"offset": 5})


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("list_tables", {}, "belongs to run_query"),
        ("run_query", {"sql": "SELECT 2"}, "another sql"),
        ("run_query", {"params": [1]}, "another params"),
    ],
)
def test_a_cursor_is_bound_to_its_call(tool: str, arguments: dict[str, object], message: str) -> None:
    """Another tool's or statement's cursor is refused."""
    pages = Pages()
    cursor = pages.save("run_query", {"sql": "SELECT 1"}, 1)
    with pytest.raises(CursorError, match=message):
        pages.load(cursor, tool, arguments)


def test_an_unknown_or_expired_cursor_is_refused() -> None:
    """Old ones go when their time is over or there are too many."""
    pages = Pages(capacity=2)
    first, *_ = [pages.save("t", {}, n) for n in range(3)]
    with pytest.raises(CursorError):
        pages.load(first, "t", {})
    brief = Pages(lifetime=-1)
    with pytest.raises(CursorError):
        brief.load(brief.save("t", {}, 1), "t", {})


def test_the_bucket_empties_and_refills() -> None:
    """A minute's worth at once, then the steady rate; callers do not share."""
    now = 0.0
    limit = RateLimit(60, lambda: now)
    for _ in range(60):
        limit.take("a")
    with pytest.raises(RateLimitedError) as caught:
        limit.take("a")
    assert caught.value.hint == "Call again in 1.0 s."
    limit.take("b")
    now = 1.0
    limit.take("a")
    with pytest.raises(RateLimitedError):
        limit.take("a")


def test_zero_means_no_limit() -> None:
    """0 switches the limit off."""
    limit = RateLimit(0, lambda: 0.0)
    for _ in range(10_000):
        limit.take("a")
