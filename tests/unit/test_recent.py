"""Answers of the catalog that are used again for a moment."""

from __future__ import annotations

import pytest

from pgwarden.db.recent import MOST, Recent

pytestmark = pytest.mark.anyio


class Asked:
    """Counts how often it is asked, and answers with that."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> int:
        """Answer."""
        self.times += 1
        return self.times


async def test_is_kept_for_its_time() -> None:
    """Within the time it is the same answer; after it, it is asked for again; keys are apart."""
    now = [0.0]
    recent, asked = Recent(2.0, lambda: now[0]), Asked()
    assert [await recent.get("a", asked) for _ in range(3)] == [1, 1, 1]
    assert await recent.get("b", asked) == 2
    now[0] = 1.9
    assert await recent.get("a", asked) == 1
    now[0] = 2.0
    assert await recent.get("a", asked) == 3


async def test_what_was_asked_before_a_change_is_not_kept() -> None:
    """A change forgets what is kept, and also the answer that is under way."""
    recent, asked = Recent(), Asked()
    await recent.get("a", asked)
    recent.forget()
    assert await recent.get("a", asked) == 2

    async def slow() -> str:
        recent.forget()
        return "old"

    assert await recent.get("c", slow) == "old"
    assert await recent.get("c", asked) == 3


async def test_nothing_is_not_kept_and_the_number_is_bounded() -> None:
    """What was not there may be there the next moment; old keys make room."""
    recent, asked = Recent(), Asked()

    async def nothing() -> list[int]:
        return []

    assert await recent.get("a", nothing) == []
    assert await recent.get("a", asked) == 1
    for number in range(MOST):
        await recent.get(number, asked)
    assert await recent.get("a", asked) == MOST + 2
