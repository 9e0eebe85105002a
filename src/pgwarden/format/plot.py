"""Histograms as a PNG picture. Needs the extra `plot` (Pillow), which is imported when a picture is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

_WIDTH, _HEIGHT, _MARGIN, _TITLE, _FOOT = 260, 130, 12, 18, 16
_ACROSS = 3
MOST_CHARTS = 12
_BAR, _INK, _PAPER = (70, 110, 170), (40, 40, 40), (255, 255, 255)
_LABEL = 34


@dataclass(frozen=True, slots=True)
class Chart:
    """A histogram: its title, the least and the greatest value, and counts of buckets of equal width."""

    title: str
    low: str
    high: str
    counts: tuple[int, ...]


def png(title: str, charts: Sequence[Chart]) -> bytes:
    """Draw at least one chart, the first MOST_CHARTS of them, three in a row.

    Raises:
        ImportError: Pillow is not installed.
    """
    from PIL import Image, ImageDraw, ImageFont

    shown = charts[:MOST_CHARTS]
    down = -(-len(shown) // _ACROSS)
    picture = Image.new("RGB", (_WIDTH * min(_ACROSS, len(shown)), _TITLE + _HEIGHT * down), _PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default()
    pen.text((_MARGIN, 4), _plain(title), fill=_INK, font=font)
    for at, chart in enumerate(shown):
        left, up = _WIDTH * (at % _ACROSS) + _MARGIN, _TITLE + _HEIGHT * (at // _ACROSS)
        right, bottom = left + _WIDTH - 2 * _MARGIN, up + _HEIGHT - _FOOT
        pen.text((left, up + 2), _plain(chart.title), fill=_INK, font=font)
        pen.text((left, bottom + 2), _plain(f"{chart.low[:16]} .. {chart.high[:16]}"), fill=_INK, font=font)
        most, wide = max(chart.counts) or 1, (right - left) / len(chart.counts)
        for bucket, count in enumerate(chart.counts):
            high = (bottom - up - _TITLE - 2) * count / most
            start = left + bucket * wide
            pen.rectangle((start, bottom - high, start + wide - 2, bottom), fill=_BAR)
    out = BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def _plain(text: str) -> str:
    """Return what every font can draw, cut short."""
    return "".join(char if " " <= char <= "~" else "?" for char in text[:_LABEL])
