"""An execution plan as a compact tree, and what is suspicious in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Node = Mapping[str, Any]

MISESTIMATE = 10.0
"""Factor between estimated and actual rows from which it is worth a warning."""
FEW_ROWS = 100
"""Rows below which a misestimate does not matter."""
COSTLY_SCAN = 1_000.0
"""Cost of a filtered sequential scan from which it is worth a warning: about 100,000 narrow rows."""
MEMBERS = 10
"""Members of an Append up to which all are shown."""
COSTLIEST = 5
"""Members that are shown where there are more."""
MAX_WARNINGS = 10
SELECTIVE = 10
"""A scan that reads this many times the rows that it keeps asks for an index."""

DETAILS = (
    "Index Cond",
    "Recheck Cond",
    "TID Cond",
    "Hash Cond",
    "Merge Cond",
    "Join Filter",
    "Filter",
    "One-Time Filter",
    "Order By",
    "Sort Key",
    "Presorted Key",
    "Group Key",
    "Cache Key",
    "Function Call",
)
COUNTS = ("Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck", "Heap Fetches")
BUFFERS = (
    "Shared Hit Blocks",
    "Shared Read Blocks",
    "Shared Dirtied Blocks",
    "Temp Read Blocks",
    "Temp Written Blocks",
)


def as_tree(plan: Mapping[str, Any], *, buffers: bool = False) -> str:
    """Return one line a node, indented, with its conditions below it.

    Args:
        plan: The first element of what EXPLAIN (FORMAT JSON) returns.
        buffers: Whether to show blocks read and written.
    """
    lines = list(_node(plan["Plan"], 0, buffers))
    if "Execution Time" in plan:
        lines.append(f"Planning {plan['Planning Time']:.2f} ms, execution {plan['Execution Time']:.2f} ms")
    if plan.get("Settings"):
        lines.append("Settings: " + ", ".join(f"{name} = {value}" for name, value in plan["Settings"].items()))
    return "\n".join(lines)


def warnings(plan: Mapping[str, Any]) -> list[str]:
    """Return what is suspicious: estimates that are far off, spills to disk, selective scans of whole tables."""
    found = [warning for node in _walk(plan["Plan"]) for warning in _suspicions(node)]
    more = len(found) - MAX_WARNINGS
    return [*found[:MAX_WARNINGS], f"... and {more:,} more of this kind"] if more > 0 else found


def _node(node: Node, depth: int, buffers: bool) -> Iterator[str]:
    indent = "  " * depth
    subplan = f"{node['Subplan Name']}: " if "Subplan Name" in node else ""
    yield f"{indent}{subplan}{_title(node)}  ({', '.join(_figures(node))})"
    for line in _details(node, buffers):
        yield f"{indent}    {line}"
    children = node.get("Plans", ())
    members = [child for child in children if child.get("Parent Relationship") == "Member"]
    hidden = _hidden(members)
    for child in children:
        if id(child) not in hidden:
            yield from _node(child, depth + 1, buffers)
    if hidden:
        yield f"{indent}  {_summed_up([child for child in members if id(child) in hidden])}"


def _hidden(members: Sequence[Node]) -> set[int]:
    """Return the ids of the members that are only summed up: of many partitions a few tell as much as all."""
    if len(members) <= MEMBERS:
        return set()
    by_cost = sorted(members, key=lambda node: (-_spent(node), -node["Total Cost"]))
    return {id(node) for node in by_cost[COSTLIEST:]}


def _spent(node: Node) -> float:
    return float(node.get("Actual Total Time", 0) * node.get("Actual Loops", 0))


def _summed_up(members: Sequence[Node]) -> str:
    kinds = Counter(node["Node Type"] for node in members).most_common()
    estimated = f"est {sum(node['Plan Rows'] for node in members):,}"
    if "Actual Loops" in members[0]:
        actual = sum(node["Actual Rows"] * node["Actual Loops"] for node in members)
        figures = f"rows {_count(actual)} of {estimated}, {sum(map(_spent, members)):.2f} ms"
    else:
        figures = f"rows {estimated}"
    return f"... {len(members):,} cheaper ones: {', '.join(f'{count:,} {kind}' for kind, count in kinds)}  ({figures})"


def _title(node: Node) -> str:
    parts = [("Parallel " if node.get("Parallel Aware") else "") + node["Node Type"]]
    if node.get("Partial Mode", "Simple") != "Simple":
        parts.insert(0, node["Partial Mode"])
    if node.get("Strategy", "Plain") != "Plain":
        parts.append(f"({node['Strategy'].lower()})")
    if "Join Type" in node:
        parts.append(f"({node['Join Type'].lower()})")
    if "Index Name" in node:
        parts.append(f"using {node['Index Name']}")
    target = next((node[key] for key in ("Relation Name", "Function Name", "CTE Name") if key in node), None)
    if target:
        alias = f" {node['Alias']}" if node.get("Alias", target) != target else ""
        parts.append(f"on {target}{alias}")
    return " ".join(parts)


def _figures(node: Node) -> Iterator[str]:
    loops = node.get("Actual Loops")
    if loops == 0:
        yield f"rows est {node['Plan Rows']:,}, never executed"
    elif loops is not None:
        each = f" x {loops:,} loops" if loops > 1 else ""
        yield f"rows {_count(node['Actual Rows'])} of est {node['Plan Rows']:,}{each}"
        if "Actual Total Time" in node:
            yield f"{node['Actual Total Time'] * loops:.2f} ms"
    else:
        yield f"rows est {node['Plan Rows']:,}"
    yield f"cost {node['Startup Cost']:.2f}..{node['Total Cost']:.2f}"
    if "Workers Planned" in node:
        yield f"workers {node.get('Workers Launched', node['Workers Planned'])} of {node['Workers Planned']}"


def _count(rows: float) -> str:
    # Since 18 the average over loops has decimals.
    return f"{rows:,.0f}" if rows == int(rows) else f"{rows:,.2f}"


def _details(node: Node, buffers: bool) -> Iterator[str]:
    for key in DETAILS:
        if key in node:
            value = node[key]
            yield f"{key}: {', '.join(value) if isinstance(value, list) else value}"
    counts = [f"{key}: {node[key]:,}" for key in COUNTS if node.get(key)]
    if "Sort Method" in node:
        counts.append(f"{node['Sort Method']}, {node['Sort Space Used']:,} kB {node['Sort Space Type'].lower()}")
    if node.get("Hash Batches"):
        counts.append(f"hash batches {node['Hash Batches']:,}, {node.get('Peak Memory Usage', 0):,} kB")
    if counts:
        yield ", ".join(counts)
    blocks = [f"{key.removesuffix(' Blocks').lower()} {node[key]:,}" for key in BUFFERS if node.get(key)]
    if buffers and blocks:
        yield f"buffers: {', '.join(blocks)}"


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("Plans", ()):
        yield from _walk(child)


def _suspicions(node: Node) -> Iterator[str]:
    title = _title(node)
    if node.get("Actual Loops"):
        estimated, actual = max(node["Plan Rows"], 1), max(node["Actual Rows"], 1)
        factor = max(estimated / actual, actual / estimated)
        if factor >= MISESTIMATE and max(estimated, actual) >= FEW_ROWS:
            yield (
                f"{title}: {_count(node['Actual Rows'])} rows where {node['Plan Rows']:,} were estimated"
                f" ({factor:,.0f} times off); statistics may be stale (ANALYZE) or the conditions correlated."
            )
    if _spills(node):
        yield f"{title}: spilled to disk; more work_mem or fewer rows would keep it in memory."
    if node["Node Type"] == "Seq Scan" and "Filter" in node and _selective(node):
        yield f"{title}: reads the whole table to filter it by {node['Filter']}; an index may help."


def _spills(node: Node) -> bool:
    return node.get("Sort Space Type") == "Disk" or node.get("Hash Batches", 1) > 1 or node.get("Disk Usage", 0) > 0


def _selective(node: Node) -> bool:
    if node["Total Cost"] < COSTLY_SCAN:
        return False
    if not node.get("Actual Loops"):
        return True
    return bool(node.get("Rows Removed by Filter", 0) >= SELECTIVE * max(node["Actual Rows"], 1))
