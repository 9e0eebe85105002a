"""Names of a statement against a catalog made by hand."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from pgwarden.guard.catalog import Catalog, Function, Hook, Operator, Relation, Type
from pgwarden.guard.extensions import TRUSTED, is_trusted
from pgwarden.guard.parsed import Name, Parsed, Refused
from pgwarden.guard.resolve import Resolved, check

INT, TEXT = 23, 25
COLOUR, PAINT = 20001, 20002


def name(text: str) -> Name:
    """Return the Name of `schema.name` or `name`."""
    schema, _, last = text.rpartition(".")
    return Name(schema, last)


def parsed(
    relations: Collection[str] = (),
    calls: Collection[str] = (),
    attributes: Collection[str] = (),
    operators: Collection[str] = (),
    types: Collection[str] = (),
) -> Parsed:
    """Return a SELECT with these names in it."""
    return Parsed(
        canonical="SELECT",
        form="select",
        kinds=("SELECT",),
        parameters=0,
        relations=frozenset(map(name, relations)),
        calls=frozenset(map(name, calls)),
        attributes=frozenset(attributes),
        operators=frozenset(map(name, operators)),
        types=frozenset(map(name, types)),
    )


def function(
    oid: int,
    full: str,
    arguments: tuple[int, ...] = (INT,),
    *,
    text: str = "integer",
    required: int | None = None,
    volatility: str = "i",
    language: str = "plpgsql",
    kind: str = "f",
    extension: str = "",
    homonym: bool = False,
    twin: bool = False,
    parts: tuple[int, ...] = (),
) -> Function:
    """Return a user's function, by default `name(integer)` in PL/pgSQL."""
    schema, last = name(full).schema, name(full).name
    return Function(
        oid=oid,
        schema=schema,
        name=last,
        arguments=arguments,
        signature=f"{last}({text})",
        required=len(arguments) if required is None else required,
        results=frozenset({INT}),
        volatility=volatility,
        language=language,
        kind=kind,
        extension=extension,
        definer=False,
        superuser=False,
        homonym=homonym,
        twin=twin,
        parts=parts,
    )


def operator(
    oid: int, sign: str, calls: int, operands: tuple[int, ...] = (INT, INT), *, shielded: bool = False
) -> Operator:
    """Return a user's operator in the schema public."""
    return Operator(oid, "public", sign, operands, INT, calls, twin=False, shielded=shielded)


def catalog(
    *functions: Function,
    operators: Collection[Operator] = (),
    relations: Collection[Relation] = (),
    hooks: tuple[Hook, ...] = (),
    types: Collection[Type] = (),
    path: tuple[str, ...] = ("pg_catalog", "public"),
    builtins: dict[int, str] | None = None,
    carriers: dict[str, frozenset[int]] | None = None,
) -> Catalog:
    """Return a catalog with these objects; all special relations, and `public.plain`, are known by name."""
    names = {schema: frozenset(r.name for r in relations if r.schema == schema) for schema in path}
    names["public"] |= {"plain"}
    return Catalog(
        version=180000,
        path=path,
        functions={f.oid: f for f in functions},
        operators={o.oid: o for o in operators},
        types={t.oid: t for t in types},
        hooks=hooks,
        relations={r.oid: r for r in relations},
        names=names,
        builtins=builtins or {},
        type_names={INT: "integer", TEXT: "text"},
        carrier_names={Name("public", key): value for key, value in (carriers or {}).items()},
    )


def refused(statement: Parsed, of: Catalog, allowed: Collection[str] = ()) -> Refused | None:
    """Return the refusal, or None where the statement is accepted."""
    try:
        check(statement, of, frozenset(allowed))
    except Refused as no:
        return no
    return None


def test_names_resolve_along_the_path() -> None:
    """Known names get their schema; unknown ones stay as written, for PostgreSQL to answer."""
    statement = parsed(relations=["plain", "gone", "other.t"], calls=["lower"])
    assert check(statement, catalog()) == Resolved(("gone", "other.t", "public.plain"), ("lower",))


def test_users_functions_need_the_policy() -> None:
    """A user's function is refused with the signature that admits it, and passes where that is listed."""
    of = catalog(function(20100, "public.total"))
    no = refused(parsed(calls=["total"]), of)
    assert no is not None
    assert (no.code, '"public.total(integer)"' in no.hint) == ("function_not_allowed", True)
    assert check(parsed(calls=["total"]), of, frozenset({"public.total(integer)"})).functions == ("public.total",)


@pytest.mark.parametrize("listed", ["public.total(integer)", "total(integer)", "total( int4 )", " public.total(int)"])
def test_signatures_may_be_spelled_in_several_ways(listed: str) -> None:
    """Aliases of types, spaces and a missing schema on the search path do not matter."""
    assert refused(parsed(calls=["total"]), catalog(function(20100, "public.total")), [listed]) is None


@pytest.mark.parametrize(
    "listed", ["other.total(integer)", "public.total(text)", "public.total", "public.total()", "total"]
)
def test_another_signature_admits_nothing(listed: str) -> None:
    """What differs in schema or arguments is another function."""
    assert refused(parsed(calls=["total"]), catalog(function(20100, "public.total")), [listed]) is not None


def test_a_listed_function_off_the_path_needs_its_schema() -> None:
    """Without a schema a signature stands for functions that an unqualified call can find."""
    of = catalog(function(20100, "other.total"))
    assert refused(parsed(calls=["other.total"]), of, ["total(integer)"]) is not None
    assert refused(parsed(calls=["other.total"]), of, ["other.total(integer)"]) is None


def test_one_listed_overload_does_not_admit_the_others() -> None:
    """All functions that a call may reach have to be acceptable."""
    of = catalog(function(20100, "public.total"), function(20101, "public.total", (TEXT,), text="text"))
    assert refused(parsed(calls=["total"]), of, ["public.total(integer)"]) is not None
    assert refused(parsed(calls=["total"]), of, ["public.total(integer)", "public.total(text)"]) is None


def test_an_overload_takes_a_built_in_name_away() -> None:
    """lower() may be the user's now; pg_catalog.lower() cannot, and the hint says so."""
    of = catalog(function(20100, "public.lower", homonym=True))
    no = refused(parsed(calls=["lower"]), of)
    assert no is not None
    assert "pg_catalog.lower" in no.hint
    assert refused(parsed(calls=["pg_catalog.lower"]), of) is None


def test_functions_of_other_schemas_are_not_reached() -> None:
    """Off the search path, and in the temporary schema, a function hides behind no unqualified call."""
    of = catalog(
        function(20100, "other.lower"), function(20101, "pg_temp.upper"), path=("pg_temp", "pg_catalog", "public")
    )
    assert refused(parsed(calls=["lower", "upper"]), of) is None
    assert refused(parsed(calls=["pg_temp.upper"]), of) is not None
    assert refused(parsed(calls=["pg_temp_12.upper"]), of) is not None


@pytest.mark.parametrize(
    ("path", "passes"), [(("pg_catalog", "public"), True), (("public", "pg_catalog"), False)], ids=["behind", "before"]
)
def test_a_twin_counts_only_before_pg_catalog(path: tuple[str, ...], passes: bool) -> None:
    """A function with the arguments of a built-in one is hidden by it, unless its schema is searched first."""
    of = catalog(function(20100, "public.lower", homonym=True, twin=True), path=path)
    assert (refused(parsed(calls=["lower"]), of) is None) is passes


def test_an_acceptable_overload_does_not_lift_a_denied_function() -> None:
    """Where a harmless user function has the name of a denied built-in one, the call stays refused."""
    of = catalog(function(20100, "public.pg_sleep", extension="citext", language="c", homonym=True))
    assert refused(parsed(calls=["pg_sleep"]), of) is not None
    assert refused(parsed(calls=["public.pg_sleep"]), of) is None


def test_unknown_calls_are_refused() -> None:
    """A call of nothing that is known cannot be waved through."""
    assert refused(parsed(calls=["nothing"]), catalog()) is not None
    assert refused(parsed(calls=["information_schema._pg_expandarray"]), catalog()) is not None


def test_attributes_call_functions_of_one_argument() -> None:
    """x.total may be total(x); a function that needs two arguments cannot be called that way."""
    one, two = function(20100, "public.total"), function(20101, "public.sums", (INT, INT))
    by_default = function(20102, "public.preset", (INT, INT), required=1)
    of = catalog(one, two, by_default)
    assert refused(parsed(attributes=["total"]), of) is not None
    assert refused(parsed(attributes=["preset"]), of) is not None
    assert refused(parsed(attributes=["sums", "name", "count"]), of) is None


def test_aggregates_are_the_sum_of_their_parts() -> None:
    """An aggregate over harmless built-in functions passes; one with a user's function needs the policy."""
    step = function(20100, "public.step")
    fine = function(20101, "public.fine", kind="a", language="internal", parts=(141,))
    dubious = function(20102, "public.dubious", kind="a", language="internal", parts=(141, 20100))
    endless = function(20103, "public.endless", kind="a", language="internal", parts=(20103,))
    of = catalog(step, fine, dubious, endless, builtins={141: "int4mul"})
    assert refused(parsed(calls=["fine"]), of) is None
    assert refused(parsed(calls=["dubious"]), of) is not None
    assert refused(parsed(calls=["dubious"]), of, ["public.step(integer)"]) is None
    assert refused(parsed(calls=["endless"]), of) is not None


def test_operators_are_judged_by_their_function() -> None:
    """An operator over a harmless function passes; one over a user's takes the sign away, and the hint helps."""
    of = catalog(
        function(20100, "public.add"),
        operators=[operator(20200, "+", 20100), operator(20201, "===", 65), operator(20202, "!!", 3)],
        builtins={65: "int4eq", 3: "pg_read_file"},
    )
    assert refused(parsed(operators=["-", "==="]), of) is None
    assert refused(parsed(operators=["!!"]), of) is not None
    no = refused(parsed(operators=["+"]), of)
    assert no is not None
    assert "OPERATOR(pg_catalog.+)" in no.hint
    assert refused(parsed(operators=["pg_catalog.+"]), of) is None


@pytest.mark.parametrize(
    "statement",
    [
        parsed(operators=["+"], types=["colour"]),
        parsed(operators=["+"], types=["public.colour"]),
        parsed(operators=["+"], types=["_colour"]),
        parsed(operators=["+"], relations=["cars"]),
        parsed(operators=["+"], relations=["public.cars"]),
        parsed(operators=["+"], attributes=["colour"]),
    ],
    ids=["type", "qualified", "array", "column", "qualified column", "attribute"],
)
def test_a_shielded_operator_counts_where_its_type_can_occur(statement: Parsed) -> None:
    """It is refused with a value of its type around, and does not touch other statements."""
    of = catalog(
        function(20100, "public.add"),
        operators=[operator(20200, "+", 20100, (COLOUR, INT), shielded=True)],
        carriers={"colour": frozenset({COLOUR}), "cars": frozenset({COLOUR})},
    )
    assert refused(statement, of) is not None
    assert refused(parsed(operators=["+"], relations=["plain"], types=["int4"]), of) is None


def test_hooks_need_all_of_their_types() -> None:
    """A cast between two types runs only in a statement that can have both."""
    hook = Hook("the cast from colour to paint", frozenset({COLOUR, PAINT}), frozenset({20100}))
    of = catalog(
        function(20100, "public.mix"),
        hooks=(hook,),
        carriers={"colour": frozenset({COLOUR}), "paint": frozenset({PAINT}), "cars": frozenset({COLOUR, PAINT})},
    )
    assert refused(parsed(types=["colour"]), of) is None
    assert refused(parsed(types=["colour", "paint"]), of) is not None
    assert refused(parsed(relations=["cars"]), of) is not None
    assert refused(parsed(relations=["cars"]), of, ["public.mix(integer)"]) is None


def test_a_cast_to_a_built_in_type_runs_where_it_is_spelled() -> None:
    """A cast between built-in types needs its target named, by an alias, a domain, or a row type that may hold it."""
    hook = Hook("the cast from text to integer", frozenset(), frozenset({20100}), frozenset({"integer", "int4"}))
    domain = Type(20300, "public", "small", "d", 20301, base=INT)
    of = catalog(function(20100, "public.parse"), hooks=(hook,), types=[domain])
    for spelled in ("int", "int4", "pg_catalog.int4", "small", "public.small", "plain", "_plain", "other.t"):
        assert refused(parsed(types=[spelled]), of) is not None
    for other in ([], ["text"], ["gone"], ["public.gone"]):
        assert refused(parsed(types=other), of) is None


def test_views_are_judged_by_what_they_reach() -> None:
    """A view over a user's function, a foreign table or a denied system relation is refused under its own name."""
    secret = Relation(1260, "pg_catalog", "pg_authid", "r")
    far = Relation(20400, "public", "far", "f", outside=True)
    relations = [
        secret,
        far,
        Relation(20401, "public", "calling", "v", functions=frozenset({20100})),
        Relation(20402, "public", "leaving", "v", relations=frozenset({20400})),
        Relation(20403, "public", "telling", "v", relations=frozenset({1260})),
        Relation(20404, "public", "fine", "v", functions=frozenset({870})),
    ]
    of = catalog(function(20100, "public.f"), relations=relations, builtins={870: "lower"})
    codes = {view: no.code if (no := refused(parsed(relations=[view]), of)) else "" for view in of.names["public"]}
    assert codes == {
        "plain": "",
        "fine": "",
        "calling": "function_not_allowed",
        "leaving": "relation_not_allowed",
        "telling": "relation_not_allowed",
        "far": "relation_not_allowed",
    }


@pytest.mark.parametrize("relation", ["pg_authid", "pg_catalog.pg_authid", "pg_shadow", "pg_hba_file_rules"])
def test_system_relations_with_secrets_are_refused(relation: str) -> None:
    """They are refused however they are written; a table of the user's with such a name is not meant."""
    assert refused(parsed(relations=[relation]), catalog()) is not None
    assert refused(parsed(relations=[f"public.{relation.rpartition('.')[2]}"]), catalog()) is None


@pytest.mark.parametrize(
    ("extension", "called", "volatility", "language", "trusted"),
    [
        ("vector", "l2_distance", "i", "c", True),
        ("pg_trgm", "set_limit", "v", "c", False),
        ("pgcrypto", "gen_random_uuid", "v", "c", True),
        ("isn", "isn_weak", "i", "c", False),
        ("citext", "replaced", "i", "plpgsql", False),
        ("dblink", "dblink", "i", "c", False),
        ("tablefunc", "crosstab", "s", "c", False),
        ("xml2", "xpath_table", "s", "c", False),
        ("", "anything", "i", "c", False),
    ],
)
def test_extensions(extension: str, called: str, volatility: str, language: str, trusted: bool) -> None:
    """Trusted are listed extensions, less what is volatile, procedural or named as an exception."""
    assert is_trusted(extension, called, volatility, language) is trusted


def test_no_extension_that_reaches_out_is_trusted() -> None:
    """Extensions that run SQL text, read pages or files, or open connections are judged like the user's own code."""
    outside = {
        "dblink",
        "postgres_fdw",
        "file_fdw",
        "tablefunc",
        "xml2",
        "adminpack",
        "pageinspect",
        "pg_buffercache",
        "lo",
    }
    assert not outside & TRUSTED.keys()
