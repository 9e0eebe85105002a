"""Lists of options in brackets, in the three forms that PostgreSQL has; no value is ever evaluated as SQL."""

from __future__ import annotations

from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.lexer import Kind

_VALUE_KINDS = frozenset({Kind.WORD, Kind.QUOTED, Kind.STRING, Kind.NUMBER})


def storage(reader: Reader) -> list[str]:
    """Go past `(name = value, toast.name, ...)` and return the names."""
    found: list[str] = []
    with reader.bracket():
        for _ in reader.items():
            name = _label(reader)
            if reader.take_mark("."):
                name = f"{name}.{reader.part()}"
            found.append(name)
            if reader.take_mark("="):
                _value(reader)
    return found


def definitions(reader: Reader) -> dict[str, int]:
    """Go past `(name = value, ...)` where a value can be a type, a dotted name or an operator.

    Returns:
        The names, with the index of the first token of the value.
    """
    found: dict[str, int] = {}
    with reader.bracket():
        for _ in reader.items():
            name = _label(reader)
            found[name] = reader.at
            if reader.take_mark("="):
                found[name] = reader.at
                _long_value(reader)
    return found


def foreign(reader: Reader) -> None:
    """Go past `OPTIONS (ADD name 'value', SET name 'value', DROP name, ...)`, if that comes next."""
    if not reader.take("options"):
        return
    with reader.bracket():
        for _ in reader.items():
            if reader.take("drop"):
                _label(reader)
                continue
            if reader.word(1) and reader.word() in ("add", "set"):
                reader.at += 1
            _label(reader)
            reader.string()


def switches(reader: Reader) -> dict[str, str]:
    """Go past `(VERBOSE, PARALLEL 2)` and return names and values, folded; "" where there is no value."""
    found: dict[str, str] = {}
    with reader.bracket():
        for _ in reader.items():
            name = reader.part()
            index = reader.at
            if reader.mark() != ",":
                _take_value(reader)
            token = reader.stream.tokens[index]
            found[name] = (token.value or token.text.strip("'").lower()) if reader.at > index else ""
    return found


def _label(reader: Reader) -> str:
    """Go past the name of an option, which can be any key word."""
    return reader.part()


def _value(reader: Reader) -> None:
    if not _take_value(reader):
        raise reader.unexpected("a value")


def _take_value(reader: Reader) -> bool:
    if reader.take_number():
        return True
    if reader.done or reader.stream.tokens[reader.at].kind not in _VALUE_KINDS:
        return False
    reader.at += 1
    return True


def _long_value(reader: Reader) -> None:
    """Go past everything up to a comma that is a name, a constant, a dot, an operator or a pair of square brackets."""
    start = reader.at
    while not reader.done and reader.mark() not in (",", "(", ")", ";", ":="):
        reader.at += 1
    if reader.at == start:
        raise reader.unexpected("a value")
    if reader.mark() == "(":  # OPERATOR(schema.+), or the modifiers of a type
        with reader.bracket():
            while not reader.done and reader.mark() not in ("(", ";", ":="):
                reader.at += 1
