"""The actions of ALTER TABLE, which ALTER VIEW, INDEX, MATERIALIZED VIEW and FOREIGN TABLE share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pgwarden.guard.ddl import columns, objects, options, sequences, tables, typenames
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.lexer import Kind
from pgwarden.guard.verdict import ObjectClass

_Action = Callable[[Reader, Draft], None]

_MILD: Final = "ShareUpdateExclusiveLock"
_TRIGGERS: Final = "ShareRowExclusiveLock"
_FULL: Final = "AccessExclusiveLock"
_MILD_PARAMETERS: Final = ("fillfactor", "parallel_workers", "toast.", "autovacuum_", "vacuum_", "toast_tuple_target")


def alter(reader: Reader, draft: Draft) -> None:
    """Read the actions behind the name of the relation: one that stands alone, or a list."""
    if phrase := reader.take(*_ALONE):
        _ALONE[phrase](reader, draft)
        return
    for _ in reader.items():
        _ACTIONS[reader.expect(*_PHRASES)](reader, draft)


def _add(reader: Reader, draft: Draft) -> None:
    if columns.starts_constraint(reader):
        draft.locks(_TRIGGERS if _adds_foreign_key(reader) else _FULL)
        columns.table_constraint(reader, draft)
        return
    draft.locks(_FULL)
    reader.take("column")
    reader.take("if not exists")
    columns.column(reader, draft, adding=True)


def _adds_foreign_key(reader: Reader) -> bool:
    return reader.sees("foreign key") or (reader.sees("constraint") and reader.word(2) == "foreign")


def _drop(reader: Reader, draft: Draft) -> None:
    draft.does("DROP")
    draft.locks(_FULL)
    if reader.take("constraint"):
        draft.typed("It drops a constraint.")
    else:
        reader.take("column")
        draft.typed("It drops a column with its values.")
    reader.take("if exists")
    reader.identifier()
    draft.behaviour(reader)


def _alter_constraint(reader: Reader, draft: Draft) -> None:
    draft.locks(_FULL)
    draft.typed("It changes when a constraint is checked.")
    reader.identifier()
    reader.take("inherit")
    columns.attributes(reader)


def _alter_column(reader: Reader, draft: Draft) -> None:
    if not (reader.stream.is_kind(reader.at, Kind.NUMBER) and reader.take_number()):
        reader.identifier()
    phrase = reader.expect(*_COLUMN_PHRASES)
    options_of_column = phrase in ("set", "reset") and reader.mark() == "("
    draft.locks(_MILD if phrase == "set statistics" or options_of_column else _FULL)
    _COLUMN_ACTIONS[phrase](reader, draft)


def _type(reader: Reader, draft: Draft) -> None:
    draft.rewrite("Changing the type of a column can rewrite the table, and loses what the new type cannot hold.")
    typenames.read(reader, draft)
    if reader.take("collate"):
        reader.name()
    if reader.take("using"):
        _changes_rows(draft)
        _expression(reader, draft)


def _changes_rows(draft: Draft) -> None:
    """Note that other values take the place of those in the rows: an UPDATE by another name."""
    table = draft.relations[0]
    draft.does("UPDATE")
    draft.uses("UPDATE", table.name, table.index)


def _expression(reader: Reader, draft: Draft) -> None:
    start, reader.at = reader.at, tables.behind_expression(reader)
    draft.expression(reader, start, reader.at)


def _set_expression(reader: Reader, draft: Draft) -> None:
    draft.rewrite("It computes the column anew in every row.")
    _changes_rows(draft)
    draft.in_brackets(reader)


def _add_identity(reader: Reader, draft: Draft) -> None:
    reader.expect("always as identity", "by default as identity")
    if reader.mark() == "(":
        with reader.bracket():
            sequences.options(reader, draft)


def _set_of_column(reader: Reader, draft: Draft) -> None:
    """Read SET (options), or the options of an identity with SET before each."""
    if reader.mark() == "(":
        options.storage(reader)
        return
    while True:
        if reader.take("generated"):
            reader.expect("always", "by default")
        else:
            sequences.option(reader, draft)
        if not reader.take("set") and not reader.sees("restart"):
            return


def _reset_of_column(reader: Reader, _: Draft) -> None:
    options.storage(reader)


def _restart(reader: Reader, draft: Draft) -> None:
    reader.at -= 1
    sequences.option(reader, draft)
    if reader.take("set"):
        _set_of_column(reader, draft)


def _drops_from_column(what: str) -> _Action:
    def action(reader: Reader, draft: Draft) -> None:
        draft.does("DROP")
        draft.typed(f"It drops {what}.")
        reader.take("if exists")

    return action


def _drop_not_null(_: Reader, draft: Draft) -> None:
    draft.typed("It drops a constraint.")


def _drop_default(_: Reader, draft: Draft) -> None:
    draft.typed("It drops a default, which rows without a value have had.")


def _nothing(_reader: Reader, _draft: Draft) -> None:
    """Read no more than the words."""


def _statistics(reader: Reader, _: Draft) -> None:
    if not reader.take("default"):
        reader.number()


def _word(reader: Reader, _: Draft) -> None:
    if not reader.take("default"):
        reader.identifier()


def _locked(
    lock: str, action: _Action, why: str = "", *, rewrites: bool = False, of: ObjectClass | None = None
) -> _Action:
    """Return an action with its lock, its reason to be typed (empty: none), and what it is beside.

    `of` is the class of what it changes, where that is no part of a table's definition.
    """

    def locked(reader: Reader, draft: Draft) -> None:
        draft.locks(lock)
        if of:
            draft.classify(of)
        if rewrites:
            draft.rewrite(why)
        elif why:
            draft.typed(why)
        action(reader, draft)

    return locked


def _identifier(reader: Reader, _: Draft) -> None:
    reader.identifier()


def _trigger(reader: Reader, _: Draft) -> None:
    if not reader.take("all", "user"):
        reader.identifier()


def _storage(reader: Reader, draft: Draft) -> None:
    names = options.storage(reader)
    if any(name.startswith("security_") for name in names):
        draft.typed("It changes whose rights the view reads with.")
    draft.locks(_MILD if all(name.startswith(_MILD_PARAMETERS) for name in names) else _FULL)


def _parent(reader: Reader, draft: Draft) -> None:
    draft.read_relation(reader, "SELECT", "ALTER")


def _no_parent(reader: Reader, draft: Draft) -> None:
    draft.moves = True
    draft.read_relation(reader, "ALTER")


def _replica_identity(reader: Reader, _: Draft) -> None:
    if reader.expect("nothing", "full", "default", "using index") == "using index":
        reader.identifier()


def _of_type(reader: Reader, draft: Draft) -> None:
    draft.types.add(reader.name())


def _options(reader: Reader, draft: Draft) -> None:
    draft.classify("power")
    draft.typed("It changes where a foreign table leads.")
    draft.secret = True
    reader.at -= 1
    options.foreign(reader)


def _attach(reader: Reader, draft: Draft) -> None:
    draft.locks(_MILD)
    draft.read_relation(reader, "SELECT", "ALTER")
    if not reader.done:  # an index is attached without bounds
        draft.locks(_FULL)  # on the partition
        tables.bounds(reader, draft)


def _detach(reader: Reader, draft: Draft) -> None:
    draft.typed("The rows of the partition are no longer in the table.")
    draft.moves = True
    draft.read_relation(reader, "ALTER")
    if reader.take("concurrently"):
        draft.command += " DETACH PARTITION CONCURRENTLY"
        draft.in_transaction = False
        draft.locks(_MILD)
    else:
        draft.locks(_MILD if reader.take("finalize") else _FULL)


def _rename(reader: Reader, draft: Draft) -> None:
    """Read RENAME behind this word, of the relation, a column or a constraint."""
    draft.locks(_MILD if draft.command == "ALTER INDEX" else _FULL)
    draft.note = "Queries, functions and policies that use the old name no longer find it."
    if reader.take("to"):
        draft.rename(reader.identifier())
        return
    reader.take("column", "constraint")
    reader.identifier()
    reader.expect("to")
    reader.identifier()


def _set_schema(reader: Reader, draft: Draft) -> None:
    draft.locks(_FULL)
    draft.note = "Queries, functions and policies that use the old name no longer find it."
    draft.set_schema(reader.identifier())


def _depends(reader: Reader, draft: Draft) -> None:
    draft.classify("code")
    draft.typed("Dropping the extension will drop it as well.")
    reader.identifier()


def _no_depends(reader: Reader, draft: Draft) -> None:
    draft.classify("code")
    reader.identifier()


def owner(reader: Reader, draft: Draft) -> None:
    """Read the role behind OWNER TO."""
    draft.classify("power")
    draft.typed("It gives the object to another role.")
    objects.role(reader)


_COLUMN_ACTIONS: Final[dict[str, _Action]] = {
    "set data type": _type,
    "type": _type,
    "set default": _expression,
    "drop default": _drop_default,
    "set not null": _nothing,
    "drop not null": _drop_not_null,
    "set expression as": _set_expression,
    "drop expression": _drops_from_column("the expression of a generated column"),
    "drop identity": _drops_from_column("the identity of a column, with its sequence"),
    "add generated": _add_identity,
    "set statistics": _statistics,
    "set storage": _word,
    "set compression": _word,
    "set": _set_of_column,
    "reset": _reset_of_column,
    "restart": _restart,
    "options": _options,
}
_COLUMN_PHRASES: Final = tuple(_COLUMN_ACTIONS)

_ALONE: Final[dict[str, _Action]] = {
    "rename": _rename,
    "set schema": _set_schema,
    "attach partition": _attach,
    "detach partition": _detach,
    "depends on extension": _depends,
    "no depends on extension": _no_depends,
}
"""Actions that cannot be one of a list."""

_NO_ROW_SECURITY: Final = "It takes row level security off."
_ROW_SECURITY: Final = "It decides who sees which rows."
_ACTIONS: Final[dict[str, _Action]] = {
    "add": _add,
    "drop": _drop,
    "alter constraint": _alter_constraint,
    "alter column": _alter_column,
    "alter": _alter_column,
    "validate constraint": _locked(_MILD, _identifier),
    "disable trigger": _locked(
        _TRIGGERS, _trigger, "It switches off triggers, which can keep the data right.", of="code"
    ),
    "enable replica trigger": _locked(_TRIGGERS, _trigger, "It changes when a trigger runs.", of="code"),
    "enable always trigger": _locked(_TRIGGERS, _trigger, "It changes when a trigger runs.", of="code"),
    "enable trigger": _locked(_TRIGGERS, _trigger, of="code"),
    "disable rule": _locked(_FULL, _identifier, "It switches off a rule.", of="code"),
    "enable replica rule": _locked(_FULL, _identifier, "It changes when a rule applies.", of="code"),
    "enable always rule": _locked(_FULL, _identifier, "It changes when a rule applies.", of="code"),
    "enable rule": _locked(_FULL, _identifier, "From then on statements on the table do something else.", of="code"),
    "disable row level security": _locked(_FULL, _nothing, _NO_ROW_SECURITY, of="power"),
    "enable row level security": _locked(_FULL, _nothing, _ROW_SECURITY, of="power"),
    "no force row level security": _locked(_FULL, _nothing, _NO_ROW_SECURITY, of="power"),
    "force row level security": _locked(_FULL, _nothing, _ROW_SECURITY, of="power"),
    "cluster on": _locked(_MILD, _identifier),
    "set without cluster": _locked(_MILD, _nothing),
    "set without oids": _locked(_FULL, _nothing),
    "set access method": _locked(_FULL, _word, "It rewrites the table.", rewrites=True),
    "set tablespace": _locked(_FULL, _identifier, "It copies the whole table to other disks.", rewrites=True),
    "set logged": _locked(_FULL, _nothing, "It rewrites the table.", rewrites=True),
    "set unlogged": _locked(_FULL, _nothing, "It rewrites the table, which a crash empties then.", rewrites=True),
    "set": _storage,
    "reset": _storage,
    "inherit": _locked(_FULL, _parent),
    "no inherit": _locked(_FULL, _no_parent, "The rows of the table are no longer in its parent."),
    "of": _locked(_FULL, _of_type),
    "not of": _locked(_FULL, _nothing),
    "owner to": _locked(_FULL, owner),
    "replica identity": _locked(_FULL, _replica_identity),
    "options": _locked(_FULL, _options),
}
_PHRASES: Final = tuple(_ACTIONS)
