"""What the guard says of one statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pgwarden.guard.parsed import Name
    from pgwarden.guard.shields import Masking

Form = Literal["select", "show", "explain", "change"]
ObjectClass = Literal["rows", "schema", "code", "power", "session", "maintenance"]


@dataclass(frozen=True, slots=True)
class Use:
    """A relation and what the statement does with it: SELECT, INSERT, UPDATE, DELETE, TRUNCATE, CREATE, ALTER, ..."""

    operation: str
    relation: Name


@dataclass(frozen=True, slots=True)
class Target:
    """An object that a statement changes: its kind in PostgreSQL's words ("table", "index", "role"), and its name."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a statement that changes something does.

    Attributes:
        tier: "confirm" or "typed".
        command: Its command in PostgreSQL's words: "UPDATE", "ALTER TABLE", "CREATE INDEX CONCURRENTLY".
        targets: The objects it changes.
        typed_name: For "typed": what the person has to type, the schema-qualified target (several with ", " between).
        why: For "typed": the reason, as a sentence.
        object_class: "rows", "schema" (tables, indexes, views, types, sequences, schemas), "code" (functions,
            procedures, triggers, rules, extensions, casts, operators), "power" (roles, rights, servers, subscriptions,
            publications, databases, tablespaces, settings of others, whatever is `unsafe`), "session" (SET), or
            "maintenance" (VACUUM, ANALYZE, REINDEX, CLUSTER, REFRESH).
        in_transaction: False for what PostgreSQL refuses inside a transaction block.
        cascade: Whether it says CASCADE.
        returning: Whether it returns rows.
        matching: For UPDATE and DELETE: a canonical read with the same parameters whose only value is the number of
            rows of the target that match; empty where there is none.
        inserted: For INSERT ... VALUES: the number of rows.
        lock: The strongest lock on the target, as pg_locks calls it, for example "RowExclusiveLock".
        unsafe: What the policy's `unsafe` list must name; empty for everything else.
        sweeps: Objects that stand for relations which the statement does not name: a schema, the database.
        secret: Whether the statement's text holds a password or a connection string: never to be shown or recorded.
        rewrites: Whether it may rewrite a table, as far as its text tells.
        moves: Whether it takes something out from under the name, or the parent, that rules know it by.
        note: What a person should know of it beside its effect; empty for most.
    """

    tier: Literal["confirm", "typed"]
    command: str
    targets: tuple[Target, ...] = ()
    typed_name: str = ""
    why: str = ""
    object_class: ObjectClass = "rows"
    in_transaction: bool = True
    cascade: bool = False
    returning: bool = False
    matching: str = ""
    inserted: int | None = None
    lock: str = ""
    unsafe: str = ""
    sweeps: tuple[Target, ...] = ()
    secret: bool = False
    rewrites: bool = False
    moves: bool = False
    note: str = ""

    @property
    def scope(self) -> str:
        """What a token has to grant for it."""
        return "database:admin" if self.unsafe or self.object_class in ("code", "power") else "database:write"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The guard's judgement of one statement.

    Attributes:
        readable: Whether the statement may run as a read. False in every case of doubt.
        canonical: The text to run instead of the caller's: the same statement with comments removed and strings
            re-quoted, so that PostgreSQL's lexer and the guard's cannot read it differently. Empty unless accepted.
        plannable: The text to give to EXPLAIN; differs from `canonical` where masks must not show in a plan.
        form: How it runs: a "select" (SELECT, VALUES, TABLE, WITH) can be wrapped in a LIMIT; the others cannot.
        kinds: Statement types by effect, upper case: SELECT, SHOW, EXPLAIN, INSERT, ...
        command: The command in PostgreSQL's words: SELECT, SHOW, EXPLAIN, or that of `change`.
        relations: Relations read, `schema.name` where the catalog resolved them, else as written; sorted.
        functions: Functions called, likewise; sorted.
        uses: Every relation that it names, resolved, with what it does with it.
        parameters: The highest `$n` used.
        change: What it changes; None for a read, and for what is refused.
        masking: What has to be bound and masked when it runs; None where no mask concerns it.
        code, message, hint: Why it is refused; empty where it is not. The message quotes no literal of the statement.
        fault: The class of an exception that the guard itself failed with, for the log; empty where it did not.
    """

    readable: bool
    canonical: str = ""
    form: Form = "select"
    kinds: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    parameters: int = 0
    code: str = ""
    message: str = ""
    hint: str = ""
    fault: str = ""
    plannable: str = ""
    command: str = ""
    uses: tuple[Use, ...] = ()
    change: Change | None = None
    masking: Masking | None = None

    @property
    def accepted(self) -> bool:
        """Whether the guard lets it run, as a read or as a change."""
        return self.readable or self.change is not None

    @property
    def tier(self) -> str:
        """The tier that its effect asks for: "read", "confirm" or "typed"; empty where it is refused."""
        return self.change.tier if self.change else "read" if self.readable else ""

    def as_dict(self) -> dict[str, Any]:
        """Return what a caller is told: everything but the canonical text."""
        out: dict[str, Any] = {
            "allowed": self.accepted,
            "kinds": list(self.kinds),
            "relations": list(self.relations),
            "functions": list(self.functions),
        }
        if self.change:
            out |= {"tier": self.tier, "command": self.command}
        if not self.accepted:
            out |= {"code": self.code, "message": self.message, "hint": self.hint}
        return out
