"""The formats of export files: what of a block is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from pgwarden.exports.sink import Block, Field, Shape, Sink

MIME: Final = {
    "csv": "text/csv",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
FORMATS = tuple(MIME)

_SPECIAL = re.compile(r'[",\r\n]')

Write = Callable[[bytes | bytearray], int]


class Target(Protocol):
    """A file to write to."""

    closed: bool

    def write(self, data: bytes | bytearray) -> int:
        """Append bytes."""

    def tell(self) -> int:
        """Return where the next byte goes."""

    def flush(self) -> None:
        """Give what is kept back to the system."""


class Encoder(Sink, Protocol):
    """A sink that writes a file."""

    def end(self) -> None:
        """Write what comes behind the last row."""


class Csv:
    """CSV with a header, as COPY writes it: NULL is an empty field, an empty text is `""`."""

    shape: Shape = "csv"

    def __init__(self, write: Write) -> None:
        """Take the file's `write`."""
        self._write = write

    def begin(self, fields: Sequence[Field]) -> None:
        """Write the header."""
        self._write(_line([field.name for field in fields]).encode() + b"\n")

    def take(self, block: Block) -> None:
        """Write rows: lines that the server made, or values."""
        if block.values:
            text = "\n".join(map(_line, block.values)) + "\n"
            self._write(text.encode())
        else:
            self._write(block.data)

    def end(self) -> None:
        """Nothing comes behind."""


class Lines:
    """JSON: an object a line, or an array with one in each line."""

    shape: Shape = "lines"

    def __init__(self, write: Write, *, array: bool) -> None:
        """Take the file's `write`, and whether the lines are elements of an array."""
        self._write = write
        self._array = array
        self._first = True

    def begin(self, fields: Sequence[Field]) -> None:
        """Open the array."""
        if self._array:
            self._write(b"[")

    def take(self, block: Block) -> None:
        """Write rows. In the text of an object there is no line end, so that each one in a block ends a row."""
        if not block.data:
            return
        if not self._array:
            self._write(block.data)
            return
        self._write((b"\n" if self._first else b",\n") + block.data[:-1].replace(b"\n", b",\n"))
        self._first = False

    def end(self) -> None:
        """Close the array."""
        if self._array:
            self._write(b"]\n" if self._first else b"\n]\n")


def encoder(form: str, file: Target) -> Encoder:
    """Return the encoder of a format.

    Args:
        form: One of FORMATS.
        file: What it writes to.

    Raises:
        NotSupportedError: The format needs a package that is not installed.
    """
    match form:
        case "csv":
            return Csv(file.write)
        case "parquet":
            from pgwarden.exports.parquet import Parquet

            return Parquet(file)
    return Lines(file.write, array=form == "json")


def _line(cells: Sequence[str | None]) -> str:
    if len(cells) == 1 and cells[0] == "\\.":
        return '"\\."'
    return ",".join(["" if cell is None else _quoted(cell) for cell in cells])


def _quoted(cell: str) -> str:
    return f'"{cell.replace(chr(34), chr(34) * 2)}"' if not cell or _SPECIAL.search(cell) else cell
