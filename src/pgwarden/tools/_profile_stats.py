"""What a sample says of a column: figures, an estimate for the whole table, and a verdict of one line. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

MOSTLY_NULL = 0.5
SKEWED = 0.9
DISGUISED = 0.95
"""Share of texts that look like something else from which on it is said."""
FAR = 10.0
"""Interquartile ranges beyond the quartiles from which on the least or the greatest value is an outlier."""
FEW = 5
"""Values below which there is no telling what they look like."""
CORRELATED = 0.8
IN_ORDER = 0.99
ESTIMATOR = "Haas-Stokes Duj1, as ANALYZE uses"
_KEYS = ("smallint", "integer", "bigint", "uuid", "text", "character")
"""How the types of what may be a key start."""
_ORDERED = frozenset({"number", "money", "date", "time"})


def duj1(sampled: int, distinct: int, once: int, total: float) -> float:
    """Return the Haas-Stokes estimate Duj1 of the number of distinct values.

    Args:
        sampled: Values that were sampled, none of them NULL.
        distinct: Different ones among them.
        once: How many of these were met exactly once.
        total: Values of the whole table, none of them NULL.
    """
    if sampled <= 0:
        return 0.0
    total = max(total, sampled)
    estimate = sampled * distinct / (sampled - once + once * sampled / total)
    return min(max(estimate, distinct), total)


@dataclass(frozen=True, slots=True)
class Stats:
    """One column in the sample. `parts` is what db/profile.py asks for; `whole` tells that the sample is the table."""

    name: str
    type: str
    kind: str
    parts: Mapping[str, Any]
    whole: bool
    total_rows: float | None
    order: float | None = None

    @property
    def base(self) -> Mapping[str, Any]:
        """Counts and figures."""
        return self.parts.get("base") or {}

    @property
    def groups(self) -> Mapping[str, Any]:
        """Of the different values."""
        return self.parts.get("groups") or {}

    @property
    def rows(self) -> int:
        """Rows in the sample."""
        return int(self.base.get("rows") or 0)

    @property
    def values(self) -> int:
        """Of these, with a value."""
        return int(self.base.get("values") or 0)

    @property
    def null_share(self) -> float:
        """From 0 to 1."""
        return (self.rows - self.values) / self.rows if self.rows else 0.0

    @property
    def grouped(self) -> int:
        """Values that were compared: of JSON and arrays the large ones are not."""
        return int(self.groups.get("in") or 0)

    @property
    def distinct(self) -> int | None:
        """Different values in the sample; None where they were not compared."""
        found = self.groups.get("distinct")
        return None if found is None or (self.values and not self.grouped) else int(found)

    @property
    def unique(self) -> bool:
        """Whether no value came twice, of at least two."""
        return self.values > 1 and self.grouped == self.values and self.distinct == self.values

    @property
    def distinct_estimate(self) -> int | None:
        """Of the whole table; exact where the sample is the table, None where nobody knows."""
        if self.distinct is None or self.whole:
            return self.distinct
        if self.total_rows is None:
            return None
        total = self.total_rows * (1 - self.null_share)
        return round(duj1(self.grouped, self.distinct, int(self.groups["once"]), total))

    @property
    def top(self) -> list[tuple[str, float]]:
        """The most frequent values with their share of all rows."""
        return [(value, count / self.rows) for value, count in self.groups.get("top") or ()]

    @property
    def quantiles(self) -> Sequence[str | None]:
        """At the shares of db.profile.QUANTILES: the least value first, the greatest last."""
        return self.base.get("quantiles") or ()

    @property
    def histogram(self) -> list[int]:
        """Counts of buckets of equal width; empty where there are no two different finite values."""
        from pgwarden.db.profile import BUCKETS

        found = dict((self.parts.get("histogram") or {}).get("counts") or ())
        return [found.get(bucket, 0) for bucket in range(1, BUCKETS + 1)] if found else []

    @property
    def span(self) -> tuple[str, str]:
        """Where the histogram starts and ends: at finite values."""
        drawn = self.parts["histogram"]
        low, high = self.quantiles[0], self.quantiles[-1]
        if self.base["finite"] == self.values and low is not None and high is not None:
            return low, high
        return str(on_scale(self.kind, drawn["low"])), str(on_scale(self.kind, drawn["high"]))

    def verdicts(self) -> list[str]:
        """Return what is worth knowing, the most telling first."""
        if not self.rows:
            return ["no rows"]
        if not self.values:
            return ["all NULL"]
        return list(self._verdicts())

    def _verdicts(self) -> Iterator[str]:
        if self.null_share >= MOSTLY_NULL:
            yield f"{percent(self.null_share)} null"
        yield from self._repeated()
        if self.kind == "text":
            yield from self._texts()
        yield from self._numbers()
        ordered = self.kind in _ORDERED and self.order is not None and (self.distinct or 0) > FEW
        if ordered and self.order is not None and abs(self.order) >= IN_ORDER:
            yield "stored in its order" if self.order > 0 else "stored in reverse order"

    def _repeated(self) -> Iterator[str]:
        if self.unique:
            is_key = self.rows == self.values >= FEW and self.type.startswith(_KEYS) and not self.type.endswith("[]")
            yield "unique, looks like a key" if is_key else "unique"
        elif self.distinct == 1 and self.grouped == self.values and self.values > 1:
            yield "constant" if self.values == self.rows else "constant where not NULL"
        elif self.top and self.values >= FEW:
            most = self.top[0][1] * self.rows / self.values
            if most >= SKEWED:
                yield f"skewed: one value is {percent(most)}"

    def _texts(self) -> Iterator[str]:
        from pgwarden.db.profile import LOOKS

        looks = zip(LOOKS, self.base.get("looks") or (), strict=False)
        alike = next((name for name, n in looks if self.values >= FEW and n >= DISGUISED * self.values), None)
        if alike:
            yield f"looks like {alike} in text"
        if empty := self.base.get("empty"):
            yield f"{percent(empty / self.rows)} empty"
        if padded := self.base.get("padded"):
            yield f"{percent(padded / self.rows)} with spaces around"
        if (folded := (self.distinct or 0) - int(self.groups.get("folded", self.distinct or 0))) > 0:
            yield f"{folded:,} differ only in case or spaces"

    def _numbers(self) -> Iterator[str]:
        if (odd := self.values - int(self.base.get("finite", self.values))) > 0:
            yield f"{odd:,} not finite or extreme"
        if self.kind == "number" and len(self.quantiles) == 7:
            low, _, q1, _, q3, _, high = (_number(each) for each in self.quantiles)
            if low is None or q1 is None or q3 is None or high is None or q3 <= q1 or self.unique:
                return
            if (high - q3) / (q3 - q1) > FAR or (q1 - low) / (q3 - q1) > FAR:
                yield "outliers"


def percent(share: float) -> str:
    """Return a share as a percentage that says 0 or 100 only where it is."""
    if share in (0.0, 1.0):
        return f"{share * 100:.0f} %"
    if share > 0.999:
        return ">99.9 %"
    return "<0.1 %" if share < 0.001 else f"{share * 100:.3g} %"


def on_scale(kind: str, figure: float) -> float | str | None:
    """Return a figure of the scale that is counted on as a value of the column: dates are seconds since 1970 there.

    Times stay seconds; None is for dates that Python cannot write.
    """
    if kind != "date":
        return stable(figure)
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(figure))).isoformat()
    except (OverflowError, ValueError):
        return None


def stable(figure: float) -> float:
    """Return a figure without the digits that depend on the order in which rows were added up."""
    return float(f"{figure:.12g}")


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else None
    except (ValueError, OverflowError):
        return None
    return number if number is not None and abs(number) < 1e300 else None
