"""The guard: whether a statement may run as a read. Pure: text and a snapshot of the catalog in, a verdict out.

Whatever is not known to be harmless is refused. The guard is one of three layers; the others are an explicit
READ ONLY transaction in the extended protocol, and a role that may not write.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pgwarden.guard import functions, kinds, parse
from pgwarden.guard.parsed import Parsed, Refused
from pgwarden.guard.verdict import Verdict

if TYPE_CHECKING:
    from pgwarden.guard.catalog import Catalog

__all__ = ["Verdict", "judge"]


def judge(sql: str, catalog: Catalog | None, allowed_functions: frozenset[str] = frozenset()) -> Verdict:
    """Judge one statement. Never raises: what fails is refused with the code `not_understood`.

    Args:
        sql: The statement, at most 100,000 characters.
        catalog: The database's functions, relations and types. With None the text alone decides: built-in functions
            only, and every relation is taken for an ordinary table.
        allowed_functions: Signatures from the policy, such as `pg_sleep(double precision)`. By text alone the name
            before the bracket decides.
    """
    try:
        return _judge(sql, catalog, allowed_functions)
    except Refused as no:
        return Verdict(False, kinds=_kinds(sql), code=no.code, message=no.message, hint=no.hint)
    except Exception as exc:  # a defect of the guard must not let a statement through, nor end the caller
        message = "The statement is not understood."
        return Verdict(False, code="not_understood", message=message, hint="Simplify it.", fault=type(exc).__name__)


def _judge(sql: str, catalog: Catalog | None, allowed_functions: frozenset[str]) -> Verdict:
    parsed = _read(sql)
    if isinstance(parsed, _No):
        raise Refused(parsed.code, parsed.message, parsed.hint)
    _check_calls(parsed, functions.names_of(allowed_functions), unknown=catalog is not None)
    relations, called = _names(parsed.relations), _names(parsed.calls)
    if catalog is not None:
        from pgwarden.guard import resolve

        resolved = resolve.check(parsed, catalog, allowed_functions)
        relations, called = resolved.relations, resolved.functions
    return Verdict(
        readable=True,
        canonical=parsed.canonical,
        form=parsed.form,
        kinds=parsed.kinds,
        relations=relations,
        functions=called,
        parameters=parsed.parameters,
    )


@dataclass(frozen=True, slots=True)
class _No:
    code: str
    message: str
    hint: str


@lru_cache(maxsize=256)
def _read(sql: str) -> Parsed | _No:
    """Read a statement; a refusal is kept as well, without its traceback."""
    try:
        return parse.read(sql)
    except Refused as no:
        return _No(no.code, no.message, no.hint)


def _check_calls(parsed: Parsed, permitted: frozenset[str], *, unknown: bool) -> None:
    """Refuse denied built-in functions, and unless `unknown` is accepted (a catalog will judge) every other one."""
    for name in sorted(parsed.calls):
        if name.name in permitted or functions.is_allowed(name):
            continue
        if functions.is_denied(name) or not unknown:
            raise Refused(
                "function_not_allowed",
                f"The function {name} may not be called in a read.",
                "Built-in functions that change nothing may; others have to be named in the policy file.",
            )


def _names(names: frozenset[object]) -> tuple[str, ...]:
    return tuple(sorted(map(str, names)))


def _kinds(sql: str) -> tuple[str, ...]:
    try:
        return kinds.of(sql)
    except Exception:
        return ()
