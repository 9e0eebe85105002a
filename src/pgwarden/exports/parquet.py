"""Parquet, by the optional package pyarrow: rows go out in groups, so that one group is in memory and no more.

Numbers, booleans, dates, timestamps and bytes get types of their own, a numeric(p,s) of up to 38 digits is a decimal;
everything else (also a numeric without a precision, which could not hold its digits) is PostgreSQL's text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from pgwarden.errors import NotSupportedError
from pgwarden.exports.errors import ExportError
from pgwarden.exports.sink import Block, Field, Shape, unique
from pgwarden.results import Cell

if TYPE_CHECKING:
    from pgwarden.exports.encode import Target

GROUP_ROWS: Final = 65_536
GROUP_BYTES: Final = 16 << 20
_DIGITS: Final = 38
_NUMERIC = 1700

Convert = Callable[[str], Any]


class Parquet:
    """Writes a Parquet file."""

    shape: Shape = "rows"

    def __init__(self, file: Target) -> None:
        """Take the file.

        Raises:
            NotSupportedError: pyarrow is not installed.
        """
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError:
            raise NotSupportedError(
                "Parquet needs a package that is not installed.",
                hint="Use csv, json or ndjson, or let the person run: pip install 'pgwarden[parquet]'.",
            ) from None
        self._arrow = pyarrow
        self._file = file
        self._writer: Any = None
        self._schema: Any = None
        self._converts: list[Convert | None] = []
        self._rows: list[tuple[Cell, ...]] = []
        self._bytes = 0

    def begin(self, fields: Sequence[Field]) -> None:
        """Make the schema."""
        types = [_type(self._arrow, field) for field in fields]
        names = unique(field.name for field in fields)
        columns = [self._arrow.field(name, type_) for name, (type_, _) in zip(names, types, strict=True)]
        self._schema = self._arrow.schema(columns)
        self._converts = [convert for _, convert in types]
        sink = self._arrow.PythonFile(self._file, mode="w")
        self._writer = self._arrow.parquet.ParquetWriter(sink, self._schema, compression="snappy")

    def take(self, block: Block) -> None:
        """Keep rows until there are enough for a group.

        Raises:
            ExportError: A value has no place in its column's type.
        """
        self._rows += block.values
        self._bytes += sum(len(cell) for row in block.values for cell in row if cell is not None)
        if len(self._rows) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def end(self) -> None:
        """Write the last group and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True) if self._schema.names else ()
        arrays = [self._array(index, cells) for index, cells in enumerate(columns)]
        batch = self._arrow.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._rows, self._bytes = [], 0
        self._writer.write_batch(batch, row_group_size=GROUP_ROWS)

    def _array(self, index: int, cells: Sequence[Cell]) -> Any:
        """Return one column of a group."""
        field, convert = self._schema.field(index), self._converts[index]
        try:
            if convert is None:
                return self._arrow.array(cells, type=field.type)
            return self._arrow.array([None if cell is None else convert(cell) for cell in cells], type=field.type)
        except (ValueError, ArithmeticError, self._arrow.ArrowException):
            raise ExportError(
                f"The column {field.name} has a value that {field.type} cannot hold, such as infinity.",
                code="value_not_supported",
                hint="Cast the column to text in the statement.",
            ) from None


def _type(arrow: Any, field: Field) -> tuple[Any, Convert | None]:
    """Return the type of a column in the file, and how a value gets to it from PostgreSQL's text; None: as it is."""
    from decimal import Decimal

    if field.oid == _NUMERIC and field.modifier >= 4:
        # As the server packs it: precision, and a scale that may be negative or larger.
        precision, scale = (field.modifier - 4) >> 16, (field.modifier - 4) & 0x7FF
        if precision <= _DIGITS and scale <= precision:
            return arrow.decimal128(precision, scale), Decimal
    known: dict[int, tuple[Any, Convert]] = {
        16: (arrow.bool_(), lambda text: text == "t"),
        17: (arrow.binary(), lambda text: bytes.fromhex(text[2:])),
        20: (arrow.int64(), int),
        21: (arrow.int16(), int),
        23: (arrow.int32(), int),
        26: (arrow.uint32(), int),
        700: (arrow.float32(), float),
        701: (arrow.float64(), float),
        1082: (arrow.date32(), date.fromisoformat),
        1114: (arrow.timestamp("us"), datetime.fromisoformat),
        1184: (arrow.timestamp("us", "UTC"), datetime.fromisoformat),
    }
    return known.get(field.oid, (arrow.string(), None))
