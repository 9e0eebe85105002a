"""The statement as sqlglot gets it: the same shape without what sqlglot need not understand.

Constants, names of functions, types and rare operators are neutral, names that are key words of other dialects are
quoted. So gaps of sqlglot's cost few legitimate statements, and no text of the user reaches it but plain names.
The skeleton is judged, never run.
"""

from __future__ import annotations

from typing import Final

from pgwarden.guard import json_clauses, keywords
from pgwarden.guard.lexer import Kind
from pgwarden.guard.names import Names
from pgwarden.guard.stream import Stream

CALL: Final = "fn"
"""What every call is named in a skeleton."""

_PLAIN_OPERATORS: Final = frozenset({"+", "-", "*", "/", "%", "<", ">", "=", "<=", ">=", "<>", "||"})
_JSON_CONSTRUCTORS: Final = frozenset({"json_object", "json_objectagg", "json_array", "json_arrayagg", "json"})
_JSON_CLAUSES: Final = keywords.words("value with without absent null returning on format")
_PLAIN_CALLS: Final = keywords.words(
    "row normalize xmlattributes xmlconcat xmlforest xmlroot xmlparse xmlpi xmlelement"
)
_OPENS_OPERAND: Final = keywords.RESERVED - {"with", "fetch", "asc", "desc", "end", "null", "true", "false", "collate"}


def build(stream: Stream, names: Names) -> str:
    """Return the skeleton of a statement."""
    parts: list[str] = []
    index = 0
    while index < stream.size:
        text, index = _piece(stream, names, index)
        parts.append(text)
    return " ".join(parts)


def _piece(stream: Stream, names: Names, index: int) -> tuple[str, int]:
    """Return the neutral text of what stands at an index, and the index behind it."""
    token = stream.tokens[index]
    if index in names.tails:
        return "", names.tails[index]
    if index in names.syntax:
        return token.text, index + 1
    match token.kind:
        case Kind.STRING:
            return "'x'", index + 1
        case Kind.NUMBER | Kind.PARAMETER:
            return "1", index + 1
        case Kind.OPERATOR:
            return (token.value if token.value in _PLAIN_OPERATORS else "+"), index + 1
        case Kind.MARK:
            return ("=>" if token.value == ":=" else token.value), index + 1
    if json_clauses.encloses(stream, index) and (behind := json_clauses.skip(stream, index)) > index:
        return (",", behind) if stream.words[index] in ("passing", "default") else ("", behind)
    if index in names.types:
        return _type(stream, index, names.types[index])
    end = stream.chain_end(index)
    if end in names.calls and not _has_own_syntax(stream, end):
        return CALL, end + 1
    return _syntax(stream, index) or _word(stream, index)


def _type(stream: Stream, start: int, end: int) -> tuple[str, int]:
    word = stream.tokens[start]
    if stream.words[end + 1] == "varying":
        return "varchar", end + 2
    builtin = start == end and word.kind is Kind.WORD and word.value in keywords.SYNTAX_CALLS
    if builtin and word.value in ("char", "character", "numeric", "dec") and stream.is_kind(end + 1, Kind.STRING):
        return "text", end + 1
    if builtin or (word.value == "double" and stream.value(end + 1) == "precision"):
        return word.text, end + 1
    return ("varchar" if stream.marks[end + 1] == "(" else "text"), end + 1


def _has_own_syntax(stream: Stream, index: int) -> bool:
    """Tell whether this is a call with more than plain arguments: `substring(a FROM 1)`, a JSON constructor."""
    if stream.words[index] in ("substring", "overlay"):
        return True
    if stream.words[index] not in _JSON_CONSTRUCTORS:
        return False
    opener, closer = index + 1, stream.partner[index + 1]
    inside = (i for i in range(opener + 1, closer) if stream.opener[i] == opener)
    return any(stream.words[i] in _JSON_CLAUSES or stream.marks[i] == ":" for i in inside)


def _syntax(stream: Stream, index: int) -> tuple[str, int] | None:
    """Return what stands for syntax that sqlglot lacks, or None where there is none of it."""
    word, before = stream.words[index], stream.words[index - 1]
    opens = stream.marks[index + 1] == "("
    match word:
        case "similar" | "escape" if stream.words[stream.opener[index] - 1] == "substring":
            return ",", index + 1
        case "nfc" | "nfd" | "nfkc" | "nfkd" if stream.words[index + 1] == "normalized":
            return "", index + 1
        case "normalized" if before in ("is", "not", "nfc", "nfd", "nfkc", "nfkd"):
            return "NULL", index + 1
        case "second" if opens:
            return word, stream.partner[index + 1] + 1
        case "operator" if opens:
            return "+", stream.partner[index + 1] + 1
        case _ if opens and word in _PLAIN_CALLS:
            return _function(stream, index + 2)
        case "xmlserialize" if opens and stream.words[index + 2] in ("content", "document"):
            return "CAST (", index + 3
        case "rows" if stream.words[index + 1] == "from" and stream.marks[index + 2] == "(":
            return CALL, index + 2
        case "all" if stream.is_kind(index - 1, Kind.OPERATOR):
            return "ANY", index + 1
        case "with" | "without" if stream.words[index + 1] == "time" and stream.words[index + 2] == "zone":
            return "", index + 3
        case "using" if stream.is_kind(index + 1, Kind.OPERATOR):
            return "", index + 2
        case "as" if _is_using_list(stream, index - 1):
            return "", index + 2
        case "distinct" if before == "by":
            return "", index + 1
        case "only" if before not in ("row", "rows"):
            return "", index + 1
        case "collation" if stream.words[index + 1] == "for":
            return CALL, index + 2
        case "at" if stream.words[index + 1] == "local":
            return "AT TIME ZONE 'x'", index + 2
        case _ if before == "tablesample":
            return "BERNOULLI", index + 1
        case "variadic" | "symmetric" | "asymmetric":
            return "", index + 1
        case "table" if stream.is_name(index + 1) and stream.words[index + 1] != "from":
            return "SELECT * FROM", index + 1
    behind = _behind_hint_of_cte(stream, index)
    return ("", behind) if behind > index else None


def _function(stream: Stream, index: int) -> tuple[str, int]:
    """Return a call up to and with its bracket, without the words that XML functions start with."""
    if stream.value(index) == "name" and stream.is_name(index + 1):
        index += 3 if stream.marks[index + 2] == "," else 2
    elif stream.words[index] in ("content", "document") and stream.marks[index + 1] not in (",", ")"):
        index += 1
    return f"{CALL} (", index


def _is_using_list(stream: Stream, index: int) -> bool:
    return stream.marks[index] == ")" and stream.words[stream.partner[index] - 1] == "using"


def _word(stream: Stream, index: int) -> tuple[str, int]:
    token, word = stream.tokens[index], stream.words[index]
    if word and not _is_plain_name(stream, index):
        return token.text, index + 1
    return '"' + token.value.replace('"', "_") + '"', index + 1


def _behind_hint_of_cte(stream: Stream, index: int) -> int:
    """Return the index behind [NOT] MATERIALIZED after AS, or the index itself where there is none."""
    behind = index
    if stream.words[index - 1] == "as":
        if stream.value(behind) == "not":
            behind += 1
        if stream.value(behind) == "materialized" and stream.marks[behind + 1] == "(":
            return behind + 1
    return index


def _is_plain_name(stream: Stream, index: int) -> bool:
    """Tell whether a word that is a key word elsewhere is an operand all by itself here, so a column's name."""
    word = stream.words[index]
    if word in keywords.RESERVED or word in keywords.NAMES_FUNCTION or word in ("by", "between"):
        return False
    if stream.words[index + 1] in ("with", "without"):  # a type, or the hint of a CTE
        return False
    before, behind = index - 1, index + 1
    opens = stream.marks[before] in ("(", ",", "[") or stream.words[before] in _OPENS_OPERAND
    opens = opens or stream.is_kind(before, Kind.OPERATOR)
    if not opens:
        return False
    closes = stream.marks[behind] not in ("", "(", "[") or stream.words[behind] in keywords.RESERVED
    return closes or behind == stream.size
