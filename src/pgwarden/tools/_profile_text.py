"""A profile as a table for reading, and as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pgwarden.format import Caps
from pgwarden.format.markdown import render_markdown
from pgwarden.results import Column, Rows
from pgwarden.tools._profile_stats import ESTIMATOR, Stats, on_scale, percent, stable

_BARS = "▁▂▃▄▅▆▇█"
_CLIP = 40
_TOP_SHOWN = 3
_TELLING = 0.02
"""Share of all rows from which on a most frequent value is worth naming."""
_COVERING = 0.5
_HEAD = ("column", "type", "null", "distinct", "values", "shape", "verdict")
_WIDE = 1_000_000


def spark(counts: Sequence[float]) -> str:
    """Return a line of bars, the greatest full height; nothing counted is a space-wide dot."""
    most = max(counts, default=0)
    return "".join("·" if not n else _BARS[round((len(_BARS) - 1) * n / most)] for n in counts)


def table(columns: Sequence[Stats]) -> str:
    """Return a Markdown table, one row a column."""
    rows: list[tuple[str | None, ...]] = [
        (
            each.name,
            each.type,
            percent(each.null_share) if each.rows else "",
            _distinct(each),
            _values(each),
            spark(each.histogram) or _shares(each),
            "; ".join(each.verdicts()),
        )
        for each in columns
    ]
    shown = Rows(tuple(Column(name) for name in _HEAD), rows)
    return render_markdown(shown, Caps(_WIDE, 400)).body


def data(each: Stats) -> dict[str, Any]:
    """Return everything about a column."""
    from pgwarden.db.profile import LOOKS, QUANTILES

    base = each.base
    out: dict[str, Any] = {
        "name": each.name,
        "type": each.type,
        "null_share": each.null_share,
        "distinct_in_sample": each.distinct,
        "distinct_estimate": each.distinct_estimate,
        "distinct_estimator": None if each.whole or each.distinct_estimate is None else ESTIMATOR,
        "top": [{"value": value, "share": share} for value, share in each.top],
        "verdicts": each.verdicts(),
    }
    if each.quantiles:
        out |= {"min": each.quantiles[0], "max": each.quantiles[-1]}
        out["quantiles"] = {str(share): value for share, value in zip(QUANTILES, each.quantiles, strict=True)}
    if each.values and base.get("mean") is not None:
        out |= {"mean": on_scale(each.kind, base["mean"]), "stddev": _as_figure(base["stddev"])}
    if each.histogram:
        out["histogram"] = {"from": each.span[0], "to": each.span[1], "counts": each.histogram}
    if each.kind == "text":
        looks = zip(LOOKS, base.get("looks") or (), strict=False)
        out["looks_like"] = {name: n / each.values for name, n in looks if each.values and n}
        out["empty_share"] = base.get("empty", 0) / each.rows if each.rows else 0.0
    if "true" in base and each.values:
        out["true_share"] = base["true"] / each.values
    for name in ("bytes", "elements"):
        if base.get(name) and base[name][0] is not None:
            out[name] = dict(zip(("min", "mean", "max"), base[name], strict=True))
    if each.parts.get("kinds"):
        out["json_types"] = dict(each.parts["kinds"])
    if each.order is not None:
        out["physical_order"] = each.order
    return {name: value for name, value in out.items() if value is not None}


def _shares(each: Stats) -> str:
    """Return bars of the most frequent values, where these are most of all."""
    shares = [share for _, share in each.top]
    return spark(shares) if len(shares) > 1 and sum(shares) >= _COVERING and not each.unique else ""


def _distinct(each: Stats) -> str:
    if each.distinct is None:
        return "?"
    if each.whole:
        return f"{each.distinct:,}"
    if each.distinct_estimate is None:
        return f"{each.distinct:,} seen"
    return f"about {each.distinct_estimate:,}"


def _values(each: Stats) -> str:
    parts: list[str] = []
    base = each.base
    if not each.values:
        return ""
    if each.quantiles:
        parts.append(f"{_brief(each.quantiles[0])} .. {_brief(each.quantiles[-1])}")
        if each.kind in ("number", "money") and base.get("mean") is not None:
            deviation = "" if base["stddev"] is None else f" sd {_figure(base['stddev'])}"
            parts.append(f"mean {_figure(base['mean'])}{deviation}; median {_brief(each.quantiles[3])}")
        else:
            parts.append(f"median {_brief(each.quantiles[3])}")
    if "true" in base:
        parts.append(f"{percent(base['true'] / each.values)} true")
    elif each.top and not each.unique and each.top[0][1] >= _TELLING:
        top = each.top[:_TOP_SHOWN]
        parts.append("top " + ", ".join(f"{_brief(value)} {percent(share)}" for value, share in top))
    if base.get("elements") and base["elements"][0] is not None:
        low, mean, high = base["elements"]
        parts.append(f"{low:,} elements" if low == high else f"{low:,} to {high:,} elements, mean {_figure(mean)}")
    if each.kind in ("text", "opaque") and base.get("bytes"):
        low, _, high = base["bytes"]
        parts.append(f"{low:,} bytes" if low == high else f"{low:,} to {high:,} bytes")
    if each.parts.get("kinds"):
        parts.append("JSON " + ", ".join(kind for kind, _ in each.parts["kinds"]))
    return "; ".join(parts)


def _brief(value: str | None) -> str:
    text = "" if value is None else value
    if not text.strip():
        return f"{text[:_CLIP]!r}"
    return text if len(text) <= _CLIP else f"{text[:_CLIP]}…"


def _figure(number: float | str) -> str:
    try:
        found = float(number)
    except ValueError:
        return str(number)
    return f"{found:,.0f}" if 1000 <= abs(found) < 1e15 else f"{found:.4g}"


def _as_figure(figure: float | None) -> float | None:
    return None if figure is None else stable(figure)
