"""Taking samples side by side, and printing them.

The subjects of a comparison take turns (A B A B ...), so that whatever else the machine does slows all of them alike
and their ratio holds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

NAME_WIDTH = 68


@dataclass(frozen=True)
class Sample:
    """What a subject took: one value a round, in the unit in which it is printed."""

    values: tuple[float, ...]

    @property
    def p50(self) -> float:
        """The median."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        return f"{_figure(self.p50)}   ({_figure(min(self.values))} .. {_figure(max(self.values))})"


async def interleaved(
    subjects: Mapping[str, Callable[[], Awaitable[object]]], rounds: int, warm_up: int = 5
) -> dict[str, Sample]:
    """Time the subjects in turn.

    Args:
        subjects: What to await, by name.
        rounds: Turns that count.
        warm_up: Turns before them.

    Returns:
        Milliseconds of each subject.
    """
    taken: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(warm_up + rounds):
        for name, subject in subjects.items():
            started = time.perf_counter()
            await subject()
            if turn >= warm_up:
                taken[name].append((time.perf_counter() - started) * 1000)
    return {name: Sample(tuple(values)) for name, values in taken.items()}


def heading(title: str, unit: str) -> None:
    """Print the title of a comparison and the unit of its figures."""
    print(f"\n{title}, {unit}: p50 (min .. max)", flush=True)


def show(samples: Mapping[str, Sample]) -> None:
    """Print samples, one line each."""
    for name, sample in samples.items():
        print(f"  {name:{NAME_WIDTH}} {sample}", flush=True)


def ratio(name: str, sample: Sample, base: Sample, target: float | None = None) -> None:
    """Print how many times the base a sample is, by their medians.

    Args:
        name: Of the ratio.
        sample: Above the line.
        base: Below it.
        target: What it should not exceed, where there is such a figure.
    """
    verdict(name, sample.p50 / base.p50, "x", target)


def verdict(name: str, value: float, unit: str, target: float | None = None) -> None:
    """Print a figure and, next to it, its target and whether that is met."""
    goal = "" if target is None else f"   target <= {_figure(target)}: {'met' if value <= target else 'MISSED'}"
    print(f"  {name:{NAME_WIDTH}} {_figure(value)} {unit}{goal}", flush=True)


def skipped(name: str, why: str) -> None:
    """Print that something was not measured."""
    print(f"  {name}: skipped, {why}", flush=True)


def milliseconds(values: Sequence[float]) -> Sample:
    """Make a sample in milliseconds of values in seconds."""
    return Sample(tuple(value * 1000 for value in values))


def _figure(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"
