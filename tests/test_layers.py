"""The layering rule: a module imports only what lies below it, and a foreign library only where it belongs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "pgwarden"

LAYERS = (
    {"errors", "results"},
    {"settings", "format", "pages", "rate", "audit", "knowledge", "undo", "toolsets", "keys", "exports", "watch"},
    {"tokens"},
    {"policy"},
    {"guard"},
    {"db", "providers"},
    {"catalogue", "context", "connections", "consent", "setup_sql", "source"},
    {"tools", "resources", "prompts"},
    {"grants", "record", "rendering", "sessions"},
    {"judging"},
    {"call", "stdio"},
    {"asking", "offers"},
    {"fleet"},
    {"server"},
    {"demo"},
    {"cli"},
    {"__main__"},
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

PURE = {"errors", "results", "policy", "guard", "format"}
PURE_FORBIDS = {"asyncio", "anyio", "mcp", "mcp_types", "psycopg", "psycopg_pool", "socket", "subprocess", "os"}
ONLY = {
    "psycopg": {"db"},
    "psycopg_pool": {"db"},
    "sqlglot": {"guard"},
    "mcp": {"server", "asking", "stdio", "demo"},
    "mcp_types": {"server", "asking", "stdio", "demo"},
    "subprocess": {"providers", "demo"},
    "fcntl": {"audit", "exports", "knowledge", "providers"},
    "pyarrow": {"exports"},
}
TOOLS_FORBID = {"guard", "policy", "call", "server"}


def modules() -> list[Path]:
    """Every source file."""
    return sorted(SOURCE.rglob("*.py"))


def unit(path: Path) -> str:
    """The layer's unit that a file belongs to: the package or module right below pgwarden."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[tuple[str, bool]]:
    """Every module that a file imports, with whether that is for type checking only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found: set[tuple[str, bool]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(alias.name, id(node) in typing_only) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names = (
                {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "pgwarden" else {node.module}
            )
            found |= {(name, id(node) in typing_only) for name in names}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_downwards(path: Path) -> None:
    """A file imports its own unit, lower layers, and (for types alone) its neighbours."""
    own = unit(path)
    if own == "__init__":
        return
    for name, typing_only in imported(path):
        parts = name.split(".")
        if parts[0] != "pgwarden" or len(parts) == 1 or parts[1] in (own, "__version__"):
            continue
        other = parts[1]
        if typing_only and own in ("context", "catalogue"):
            continue
        below = RANK[other] < RANK[own] or (RANK[other] == RANK[own] and other == "settings")
        assert below or (own, other) == ("catalogue", "context"), f"{own} imports {name}"
        assert not (own == "tools" and other in TOOLS_FORBID), f"tools import {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_libraries_stay_where_they_belong(path: Path) -> None:
    """Only db imports psycopg, only guard sqlglot, only server the MCP SDK; the pure layers do no I/O."""
    own = unit(path)
    roots = {name.split(".")[0] for name, typing_only in imported(path) if not typing_only}
    for root, owners in ONLY.items():
        assert root not in roots or own in owners, f"{own} imports {root}"
    if own in PURE:
        assert not roots & PURE_FORBIDS, f"{own} imports {roots & PURE_FORBIDS}"


@pytest.mark.parametrize("path", sorted((SOURCE / "tools").glob("*.py")), ids=lambda path: path.name)
def test_tools_do_not_import_each_other(path: Path) -> None:
    """A category's file imports no other category's; helpers start with an underscore."""
    if path.name == "__init__.py":
        return
    others = {name.split(".")[2] for name, _ in imported(path) if name.startswith("pgwarden.tools.")}
    assert all(name.startswith("_") for name in others), others
