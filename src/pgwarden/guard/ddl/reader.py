"""A cursor over the tokens of one statement; what it does not find as expected is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pgwarden.guard import keywords
from pgwarden.guard.lexer import Kind, Token
from pgwarden.guard.parsed import Name, Refused
from pgwarden.guard.stream import Stream

_NO_COLUMN = keywords.RESERVED | keywords.NAMES_FUNCTION


class Reader:
    """Where the grammar stands in a statement.

    Attributes:
        stream: The whole statement.
        at: The next token.
        end: The grammar must not go beyond: the end of the statement, or the bracket that closes.
    """

    def __init__(self, tokens: list[Token]) -> None:
        """Start before the first token.

        Raises:
            Refused: Brackets do not match or are nested too deep.
        """
        self.stream = Stream(tokens)
        self.at = 0
        self.end = self.stream.size

    # Looking

    @property
    def done(self) -> bool:
        """Whether nothing is left up to the end."""
        return self.at >= self.end

    def word(self, ahead: int = 0) -> str:
        """Return the unquoted word that many tokens ahead; empty for everything else."""
        index = self.at + ahead
        return self.stream.tokens[index].value if index < self.end and self._is(index, Kind.WORD) else ""

    def mark(self, ahead: int = 0) -> str:
        """Return the mark or operator that many tokens ahead; empty for everything else."""
        index = self.at + ahead
        return self.stream.marks[index] if index < self.end else ""

    def sees(self, phrase: str) -> bool:
        """Tell whether the words of a phrase come next."""
        return all(self.word(ahead) == word for ahead, word in enumerate(phrase.split()))

    def is_string(self) -> bool:
        """Tell whether a string constant comes next."""
        return self.at < self.end and self._is(self.at, Kind.STRING)

    # Taking

    def take(self, *phrases: str) -> str:
        """Go past the first of the phrases that comes next, and return it; empty where none does."""
        for phrase in phrases:
            if self.sees(phrase):
                self.at += len(phrase.split())
                return phrase
        return ""

    def expect(self, *phrases: str) -> str:
        """Go past one of the phrases and return it.

        Raises:
            Refused: None of them comes next.
        """
        found = self.take(*phrases)
        if not found:
            raise self.unexpected(" or ".join(phrase.upper() for phrase in phrases[:6]))
        return found

    def take_mark(self, mark: str) -> bool:
        """Go past a mark or operator, if it comes next."""
        found = self.mark() == mark
        self.at += found
        return found

    def expect_mark(self, mark: str) -> None:
        """Go past a mark or operator that has to come next."""
        if not self.take_mark(mark):
            raise self.unexpected(mark)

    def identifier(self, *, function: bool = False) -> str:
        """Go past a name without dots and return it folded.

        Args:
            function: Whether it names a function or a type, which a few more key words can.
        """
        if self.done or not self.stream.is_name(self.at):
            raise self.unexpected("a name")
        refused = keywords.RESERVED if function else _NO_COLUMN
        if self.word() in refused:
            raise self.unexpected("a name")
        self.at += 1
        return self.stream.value(self.at - 1)

    def name(self, *, function: bool = False) -> Name:
        """Go past a name of one or two parts and return it.

        Raises:
            Refused: There is none, or it has more parts.
        """
        first = self.identifier(function=function)
        parts = [first]
        while self.take_mark("."):
            parts.append(self.part())
        if len(parts) > 2:
            raise Refused("not_understood", "A name has more than a schema and a name.", "Leave the database out.")
        return Name(parts[0] if len(parts) == 2 else "", parts[-1])

    def part(self) -> str:
        """Go past what follows a dot: a name, also where it is a key word."""
        if self.done or not self.stream.is_name(self.at):
            raise self.unexpected("a name")
        self.at += 1
        return self.stream.value(self.at - 1)

    def column(self) -> tuple[int, Name, str]:
        """Go past `table.column` or `schema.table.column`; return where it starts, the table and the column."""
        start = self.at
        parts = [self.identifier()]
        while self.take_mark("."):
            parts.append(self.part())
        if not 2 <= len(parts) <= 3:
            raise self.unexpected("table.column")
        return start, Name(parts[0] if len(parts) == 3 else "", parts[-2]), parts[-1]

    def string(self) -> None:
        """Go past a string constant."""
        if not self.is_string():
            raise self.unexpected("a string")
        self.at += 1

    def number(self) -> None:
        """Go past a number, with or without a sign."""
        if not self.take_number():
            raise self.unexpected("a number")

    def take_number(self) -> bool:
        """Go past a number, with or without a sign, if one comes next."""
        signed = self.mark() in ("+", "-")
        index = self.at + signed
        found = index < self.end and self._is(index, Kind.NUMBER)
        self.at = index + 1 if found else self.at
        return found

    @contextmanager
    def bracket(self) -> Iterator[None]:
        """Read what is inside of the bracket that has to come next; all of it has to be read.

        Raises:
            Refused: There is no bracket, or something in it has not been read.
        """
        if self.mark() != "(":
            raise self.unexpected("(")
        outer, close = self.end, self.stream.partner[self.at]
        self.at, self.end = self.at + 1, close
        yield
        self.finish()
        self.at, self.end = close + 1, outer

    def inside(self) -> tuple[int, int]:
        """Go past a bracket with all that is in it; return where its content starts and ends."""
        if self.mark() != "(":
            raise self.unexpected("(")
        start, close = self.at + 1, self.stream.partner[self.at]
        self.at = close + 1
        return start, close

    def items(self) -> Iterator[int]:
        """Yield before each item of a list with commas; the caller reads the item."""
        number = 0
        yield number
        while self.take_mark(","):
            number += 1
            yield number

    def finish(self) -> None:
        """Refuse what is left."""
        if not self.done:
            raise self.unexpected()

    # Refusing

    def unexpected(self, wanted: str = "") -> Refused:
        """Return the refusal of what comes next. It repeats key words and marks, never a constant or a name."""
        word = self.word()
        known = word in _NO_COLUMN or word in _SPEAKABLE
        near = f" near {word.upper()}" if known else f" near {self.mark()}" if self.mark() else ""
        place = f"{near}" if near else " at its end" if self.done else ""
        wants = f"; expected {wanted}" if wanted else ""
        return Refused(
            "not_understood",
            f"The statement is not understood{place}{wants}.",
            "Every clause of a definition has to be known. Write it in PostgreSQL's plain form, one change at a time.",
        )

    def _is(self, index: int, kind: Kind) -> bool:
        return self.stream.tokens[index].kind is kind


_SPEAKABLE = keywords.words("""
    add after alter as attach before begin by cascade commit copy deallocate declare discard drop enable disable
    execute exclude grant if immutable inherit inherits instead language lock move no notify of options owner partition
    prepare refresh reindex rename replica reset restart restrict revoke return returns rollback role rule schema
    security sequence set start storage superuser system temp temporary to transaction trigger truncate type vacuum
    valid validate values view volatile""")
"""Words that may be repeated in a refusal, beside the reserved ones."""
