"""Ways between two tables over foreign keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """One foreign key, walked from `source` to `target` (oids). Columns and `target_ref` are quoted."""

    key: str
    source: int
    target: int
    target_ref: str
    pairs: tuple[tuple[str, str], ...]


def shortest_paths(edges: Sequence[Mapping[str, Any]], start: int, end: int, limit: int) -> list[list[Step]]:
    """Return the shortest ways from one table to another, at most `limit`, in the order of the keys' names.

    Args:
        edges: Foreign keys as the block join_edges gives them; each can be walked both ways.
        start: oid of the first table.
        end: oid of the last one; the same as `start` for keys of a table to itself.
        limit: Ways at most.
    """
    steps = [step for edge in edges for step in _both_ways(edge)]
    paths: list[list[Step]] = [[step] for step in steps if step.source == start]
    while paths:
        done = [path for path in paths if path[-1].target == end]
        if done or start == end:
            return done[:limit]
        paths = [
            [*path, step]
            for path in paths
            for step in steps
            if step.source == path[-1].target and step.target not in {start, *(s.target for s in path)}
        ]
    return []


def as_sql(start_ref: str, path: Sequence[Step]) -> str:
    """Return the FROM clause that joins along a way."""
    lines = [f"FROM {start_ref} AS t1"]
    for number, step in enumerate(path, 2):
        condition = " AND ".join(f"t{number}.{theirs} = t{number - 1}.{ours}" for ours, theirs in step.pairs)
        lines.append(f"JOIN {step.target_ref} AS t{number} ON {condition}")
    return "\n".join(lines)


def _both_ways(edge: Mapping[str, Any]) -> Iterator[Step]:
    forth = tuple(zip(edge["from_columns"], edge["to_columns"], strict=True))
    yield Step(edge["name"], edge["from"], edge["to"], edge["to_ref"], forth)
    if edge["from"] != edge["to"]:
        back = tuple((theirs, ours) for ours, theirs in forth)
        yield Step(edge["name"], edge["to"], edge["from"], edge["from_ref"], back)
