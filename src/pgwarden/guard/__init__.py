"""The guard: what a statement does, and whether it may. Pure: text and a snapshot of the catalog in, a verdict out.

Whatever is not known to be harmless, or known for what it changes, is refused. The guard is one of three layers; for
reads the others are an explicit READ ONLY transaction in the extended protocol, and a role that may not write.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pgwarden.guard import answer, functions, kinds, parse
from pgwarden.guard.parsed import Name, Parsed, Refused
from pgwarden.guard.verdict import Verdict

if TYPE_CHECKING:
    from pgwarden.guard.catalog import Catalog
    from pgwarden.guard.shields import Shields

__all__ = ["Verdict", "judge"]


_NONE: frozenset[str] = frozenset()


def judge(
    sql: str,
    catalog: Catalog | None,
    allowed_functions: frozenset[str] = _NONE,
    *,
    writes: bool = False,
    unsafe: frozenset[str] = _NONE,
    shields: Shields | None = None,
) -> Verdict:
    """Judge one statement. Never raises: what fails is refused with the code `not_understood`.

    Args:
        sql: The statement, at most 100,000 characters.
        catalog: The database's functions, relations and types. With None the text alone decides: built-in functions
            only, and every relation is taken for an ordinary table.
        allowed_functions: Signatures from the policy, such as `pg_sleep(double precision)`. By text alone the name
            before the bracket decides.
        writes: Whether the statement may change something; `Verdict.change` then says what it changes. Without it
            everything but a read is refused.
        unsafe: Commands of the policy's `unsafe` list, such as "COPY"; they count with `writes` only.
        shields: What the statement's text has to be changed for; None where there are no masks and nothing is hidden.
    """
    try:
        return _judge(catalog, allowed_functions, _read(sql, writes, unsafe), shields)
    except Refused as no:
        return Verdict(False, kinds=_kinds(sql), code=no.code, message=no.message, hint=no.hint)
    except Exception as exc:  # a defect of the guard must not let a statement through, nor end the caller
        message = "The statement is not understood."
        return Verdict(False, code="not_understood", message=message, hint="Simplify it.", fault=type(exc).__name__)


def _judge(
    catalog: Catalog | None, allowed_functions: frozenset[str], parsed: Parsed | _No, shields: Shields | None
) -> Verdict:
    if isinstance(parsed, _No):
        raise Refused(parsed.code, parsed.message, parsed.hint)
    listed = functions.names_of(allowed_functions)
    _check_calls(parsed, listed, unknown=catalog is not None)
    relations, called = _names(parsed.relations), _names(parsed.calls)
    if catalog is not None:
        from pgwarden.guard import resolve

        resolved = resolve.check(parsed, catalog, allowed_functions)
        relations, called = resolved.relations, resolved.functions
    verdict = answer.give(parsed, catalog, relations, called, allowed_functions)
    if not shields:
        return verdict
    from pgwarden.guard import masks

    return masks.protect(verdict, parsed.source, shields, catalog)


@dataclass(frozen=True, slots=True)
class _No:
    code: str
    message: str
    hint: str


@lru_cache(maxsize=256)
def _read(sql: str, writes: bool, unsafe: frozenset[str]) -> Parsed | _No:
    """Read a statement; a refusal is kept as well, without its traceback."""
    try:
        return parse.read(sql, writes, unsafe)
    except Refused as no:
        return _No(no.code, no.message, no.hint)


def _check_calls(parsed: Parsed, permitted: frozenset[str], *, unknown: bool) -> None:
    """Refuse denied built-in functions, and unless `unknown` is accepted (a catalog will judge) every other one."""
    is_allowed = functions.is_allowed_in_write if parsed.changing else functions.is_allowed
    for name in sorted(parsed.calls):
        if name.name in permitted or is_allowed(name):
            continue
        if functions.is_denied(name) or not unknown:
            raise Refused(
                "function_not_allowed",
                f"The function {name} may not be called{'' if parsed.changing else ' in a read'}.",
                "Built-in functions that change nothing may; others have to be named in the policy file.",
            )


def _names(names: frozenset[Name]) -> tuple[str, ...]:
    return tuple(sorted(map(str, names)))


def _kinds(sql: str) -> tuple[str, ...]:
    try:
        return kinds.of(sql)
    except Exception:
        return ()
