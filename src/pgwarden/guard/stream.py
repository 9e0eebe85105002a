"""The tokens of one statement with their brackets matched and their key words told from names."""

from __future__ import annotations

from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.lexer import Kind, Token
from pgwarden.guard.parsed import Refused

MAX_DEPTH: Final = 24
MAX_DOTS: Final = 16

_KEYWORDS: Final = (
    keywords.RESERVED
    | keywords.NAMES_FUNCTION
    | keywords.SYNTAX_CALLS
    | keywords.NEWER_SYNTAX_CALLS
    | keywords.UNRESERVED_SYNTAX
)
_OPERAND_WORDS: Final = keywords.words("""
    null true false end current_date current_time current_timestamp localtime localtimestamp current_user
    session_user current_role user current_catalog current_schema unknown""")
_OPERAND_KINDS: Final = frozenset({Kind.STRING, Kind.NUMBER, Kind.PARAMETER, Kind.QUOTED})


class Stream:
    """A statement's tokens, addressed by index; beyond both ends there is nothing (empty words and marks).

    Attributes:
        tokens: The tokens.
        words: The key word at each index; empty where there is none, and after a dot or AS, where any word is a name.
        marks: The mark or operator at each index, else empty.
        partner: Index of the matching bracket, -1 for other tokens.
        opener: Index of the innermost bracket open at each index (that of a bracket is its parent), -1 at the top.
    """

    def __init__(self, tokens: list[Token]) -> None:
        """Match brackets and find key words.

        Raises:
            Refused: Brackets do not match or are nested more than 24 deep, or a name has more than 17 parts.
        """
        self.tokens = tokens
        self.size = len(tokens)
        self.marks = [t.value if t.kind is Kind.MARK or t.kind is Kind.OPERATOR else "" for t in tokens]
        self.marks += ["", "", "", ""]
        self.words = self._find_words()
        self.partner = [-1] * self.size
        self.opener = [-1] * self.size
        self._match_brackets()

    def is_name(self, index: int) -> bool:
        """Tell whether the token can be a name or a part of one: an identifier, also one that is a key word."""
        return 0 <= index < self.size and self.tokens[index].kind in (Kind.WORD, Kind.QUOTED)

    def is_operand(self, index: int) -> bool:
        """Tell whether an expression can end with this token, and no expression goes on after it but by an operator."""
        if not 0 <= index < self.size:
            return False
        token = self.tokens[index]
        if token.kind is Kind.WORD:
            return not self.words[index] or self.words[index] in _OPERAND_WORDS
        if token.kind in _OPERAND_KINDS or self.marks[index] == "]":
            return True
        return self.marks[index] == ")" and self.words[self.partner[index] - 1] != "operator"

    def is_kind(self, index: int, kind: Kind) -> bool:
        """Tell whether there is a token of a kind at an index."""
        return 0 <= index < self.size and self.tokens[index].kind is kind

    def value(self, index: int) -> str:
        """Return the name, mark or operator at an index."""
        return self.tokens[index].value if 0 <= index < self.size else ""

    def chain_end(self, start: int) -> int:
        """Return the index of the last part of the dotted name that starts here."""
        end = start
        while self.marks[end + 1] == "." and self.is_name(end + 2):
            end += 2
        return end

    def chain_start(self, end: int) -> int:
        """Return the index of the first part of the dotted name that ends here."""
        start = end
        while start >= 2 and self.marks[start - 1] == "." and self.is_name(start - 2):
            start -= 2
        return start

    def _find_words(self) -> list[str]:
        words: list[str] = []
        previous, dots = "", 0
        for index, token in enumerate(self.tokens):
            dotted = index > 0 and self.marks[index - 1] == "."
            named = dotted or previous == "as"
            dots = dots + 1 if self.marks[index] == "." else dots if dotted else 0
            if dots > MAX_DOTS:
                raise Refused("too_complex", f"A name has more than {MAX_DOTS} parts.", "Use an alias.")
            keyword = token.kind is Kind.WORD and not named and token.value in _KEYWORDS
            previous = token.value if keyword else ""
            words.append(previous)
        return [*words, "", "", "", ""]

    def _match_brackets(self) -> None:
        stack: list[int] = []
        for index, mark in enumerate(self.marks[: self.size]):
            self.opener[index] = stack[-1] if stack else -1
            if mark in ("(", "["):
                stack.append(index)
                if len(stack) > MAX_DEPTH:
                    raise Refused("too_complex", f"Brackets are nested more than {MAX_DEPTH} deep.", "Use WITH.")
            elif mark in (")", "]"):
                if not stack or self.marks[stack[-1]] != ("(" if mark == ")" else "["):
                    raise Refused("invalid_sql", "The brackets do not match.")
                start = stack.pop()
                self.partner[start], self.partner[index] = index, start
                self.opener[index] = self.opener[start]
        if stack:
            raise Refused("invalid_sql", "A bracket is not closed.")
