"""Finding entries by their words. There is no index: a few hundred short texts are searched as they are."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pgwarden.errors import ArgumentError
from pgwarden.knowledge.entry import Entry, folded

QUERY_WORDS = 12
_EXCERPT_CHARS = 200
_ENOUGH = 50.0
"""Weight of hits from which on more of them say no more."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry that a search found, and the words that it was searched for."""

    entry: Entry
    words: tuple[str, ...]

    @property
    def excerpt(self) -> str:
        """The line that has most of the words, and of a long one the part around the first of them."""
        best = max(self.entry.text.split("\n"), key=self._matches).strip()
        if len(best) <= _EXCERPT_CHARS:
            return best
        lowered = best.lower()
        first = min((at for word in self.words if (at := lowered.find(word)) >= 0), default=0)
        start = max(min(first - _EXCERPT_CHARS // 4, len(best) - _EXCERPT_CHARS), 0)
        end = start + _EXCERPT_CHARS
        return f"{'…' if start else ''}{best[start:end]}{'…' if end < len(best) else ''}"

    def _matches(self, line: str) -> int:
        plain = folded(line)
        return sum(word in plain for word in self.words)


def search(entries: Sequence[Entry], query: str) -> list[Hit]:
    """Return the entries that have words of the query, the best first.

    Those with more of the words come first; then rare words count more than common ones, the title more than topics,
    topics more than the text, whole words more than beginnings, and those more than the inside of a word.

    Raises:
        ArgumentError: The query has no words, or more than QUERY_WORDS.
    """
    words = list(dict.fromkeys(re.findall(r"\w+", folded(query))))
    if not words:
        raise ArgumentError("The query has no words.", hint="Give words of a title, a topic or the text.")
    if len(words) > QUERY_WORDS:
        raise ArgumentError(f"The query has more than {QUERY_WORDS} words.", hint="Give the most telling ones.")
    scores: dict[int, list[float]] = {}
    fields = [(folded(each.title), folded(" ".join(each.topics)), folded(each.text)) for each in entries]
    for word in words:
        found = {at: score for at, each in enumerate(fields) if (score := _score(word, *each))}
        for at, score in found.items():
            scores.setdefault(at, []).append(score * math.log(1 + len(entries) / len(found)))
    ranked = sorted(scores, key=lambda at: (-len(scores[at]), -sum(scores[at]), entries[at].name))
    return [Hit(entries[at], tuple(words)) for at in ranked]


def _score(word: str, title: str, topics: str, text: str) -> float:
    return 8 * _hits(word, title) + 5 * _hits(word, topics) + 2 * _hits(word, text)


def _hits(word: str, text: str) -> float:
    """Return how much a text is about a word, below 1: the first hits count most."""
    weight, at = 0.0, text.find(word)
    # Finding the word and looking around is many times quicker than a pattern with word boundaries.
    while at >= 0 and weight < _ENOUGH:
        end = at + len(word)
        if at and _in_word(text[at - 1]):
            weight += 0.25
        else:
            weight += 0.5 if end < len(text) and _in_word(text[end]) else 1
        at = text.find(word, end)
    return weight / (weight + 1.5)


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_"
