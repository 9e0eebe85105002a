"""Rules about databases, schemas, tables and columns, and statements held against them."""

from __future__ import annotations

from typing import Any

import pytest

from pgwarden import policy
from pgwarden.policy import Decision, Policy, decide_statement, hides_database, hides_schema, hides_table
from pgwarden.policy.masks import rule_for
from pgwarden.policy.objects import Objects, Use
from pgwarden.policy.patterns import matches, overlaps, parse, write
from pgwarden.settings import LimitSettings, PolicySettings


def load(text: str) -> Policy:
    """Load a policy of an administrator from the lines of a file."""
    settings = PolicySettings(sql_profile="admin")
    return policy.load(settings, LimitSettings(), f"version: 1\n{text}", {"run_query": "sql_query"})[0]


RULES = load("""
databases: {deny: [postgres, 'test_*']}
schemas: {deny: ['secret*']}
tables:
  - {match: public.orders, deny: [DELETE]}
  - {match: 'public.*', deny: [DROP]}
  - {match: public.invoices, allow: [SELECT, INSERT]}
  - {match: public.people, hidden: true}
  - {match: '"Weird Name".x', deny: [SELECT]}
  - {match: app.log, allow: [INSERT, DELETE], deny: [DELETE]}
""")
OBJECTS = Objects(
    reads={
        ("public", "v_people"): frozenset({("public", "v_inner")}),
        ("public", "v_inner"): frozenset({("public", "people")}),
        ("public", "v_weird"): frozenset({("Weird Name", "x")}),
        ("public", "loop"): frozenset({("public", "loop"), ("public", "other")}),
    },
    writes={
        ("DELETE", ("public", "customers")): frozenset({("DELETE", ("public", "orders"))}),
        ("DELETE", ("public", "shops")): frozenset({("UPDATE", ("public", "people"))}),
        ("TRUNCATE", ("public", "parent")): frozenset({("TRUNCATE", ("secret_x", "child"))}),
    },
    hidden=frozenset({("public", "people"), ("public", "people_pkey")}),
)


def decide(*uses: tuple[str, str, str], rules: Policy = RULES, objects: Objects | None = OBJECTS) -> Decision:
    """Decide a statement with these uses."""
    kinds = {use[0] for use in uses}
    return decide_statement(rules, kinds=kinds, uses=[Use(*use) for use in uses], objects=objects)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("public.orders", ("public", "orders")),
        ("Public.ORDERS", ("public", "orders")),
        ('"Weird Name".x', ("Weird Name", "x")),
        ('"a""b"."c.d"', ('a"b', "c.d")),
        ('*."Audit *"', ("*", "Audit *")),
        ("größe.ä_*", ("größe", "ä_*")),
    ],
)
def test_patterns_are_written_as_sql_writes_names(text: str, parts: tuple[str, ...]) -> None:
    """Unquoted parts fold; what is written out reads back."""
    assert parse(text, len(parts)) == parts
    assert parse(write(*parts), len(parts)) == parts


@pytest.mark.parametrize("text", ["", ".", "a.", ".b", '"a', '""."b"', "a b.c", "a.b\n", "a;b.c", "a.[b]", "a.b'"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    """A typo is never a pattern that matches nothing."""
    with pytest.raises(ValueError, match=r"pattern|parts"):
        parse(text, 2)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("*", "", True),
        ("audit_*", "audit_", True),
        ("audit_*", "xaudit_", False),
        ("?", "a", True),
        ("?", "ab", False),
        ("a.c", "abc", False),
        ("orders", "Orders", False),
        ("orders", "orders\n", False),
        ("*", "a\nb", True),
    ],
)
def test_matching(pattern: str, name: str, expected: bool) -> None:
    """Only the two wild cards are special; a pattern is about the whole name, as it is stored."""
    assert matches(pattern, name) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("a*", "*b", True), ("a*", "b*", False), ("?", "", False), ("a?c", "abc", True), ("*x*", "aaa", False)],
)
def test_overlap_of_patterns(one: str, other: str, expected: bool) -> None:
    """Two patterns overlap where a name matches both."""
    assert overlaps(one, other) is expected
    assert overlaps(other, one) is expected


def test_what_is_hidden() -> None:
    """Databases, schemas and tables; the system's schemas only by their names."""
    rules = RULES.objects
    assert hides_database(rules, "postgres")
    assert not hides_database(rules, "shop")
    assert hides_schema(rules, "secret_plans")
    assert hides_table(rules, "secret_plans", "any")
    assert hides_table(rules, "public", "people")
    assert not hides_table(rules, "public", "orders")
    everything = load("schemas: {deny: ['*']}\ntables: [{match: '*.*', hidden: true}]").objects
    assert hides_schema(everything, "public")
    assert not hides_table(everything, "pg_catalog", "pg_class")
    assert hides_table(load("tables: [{match: 'pg_catalog.*', hidden: true}]").objects, "pg_catalog", "pg_class")


def test_an_allow_list_hides_the_rest() -> None:
    """But for the system's schemas."""
    rules = load("schemas: {allow: [app]}\ndatabases: {allow: [shop]}").objects
    assert not hides_schema(rules, "app")
    assert hides_schema(rules, "public")
    assert not hides_schema(rules, "information_schema")
    assert hides_database(rules, "postgres")


def test_of_two_allow_lists_both_must_let_a_name_pass() -> None:
    """A role's list does not widen the file's."""
    rules = load("role: r\nschemas: {allow: ['app*']}\nroles: {r: {schemas: {allow: ['*_eu', app]}}}").objects
    visible = [name for name in ("app", "app_eu", "app_us", "crm_eu") if not hides_schema(rules, name)]
    assert visible == ["app", "app_eu"]


@pytest.mark.parametrize(
    ("uses", "rule"),
    [
        ([("SELECT", "public", "orders")], None),
        ([("DELETE", "public", "orders")], "tables[1] refuses DELETE on public.orders"),
        ([("DROP", "public", "orders")], "tables[2] refuses DROP on public.orders"),
        ([("INSERT", "public", "invoices")], None),
        ([("UPDATE", "public", "invoices")], "tables[3] refuses UPDATE on public.invoices"),
        ([("SELECT", "Weird Name", "x")], "tables[5] refuses SELECT on Weird Name.x"),
        ([("SELECT", "weird name", "x")], None),
        ([("INSERT", "app", "log")], None),
        ([("DELETE", "app", "log")], "tables[6] refuses DELETE on app.log"),
        ([("SELECT", "app", "log")], "tables[6] refuses SELECT on app.log"),
        (
            [("SELECT", "public", "v_weird")],
            "tables[5] refuses SELECT on Weird Name.x, which SELECT on public.v_weird does",
        ),
        (
            [("DELETE", "public", "customers")],
            "tables[1] refuses DELETE on public.orders, which DELETE on public.customers does",
        ),
        ([("SELECT", "public", "loop")], None),
        ([("SELECT", "", "nosuch")], None),
        ([("CREATE", "", "new")], "it creates something in a schema that it does not name"),
    ],
)
def test_operations_on_tables(uses: list[tuple[str, str, str]], rule: str | None) -> None:
    """Every rule that matches must let an operation pass, also on what a statement reaches without naming it."""
    decision = decide(*uses)
    assert (None if decision.allowed else decision.rule) == rule
    assert decision.hidden is None


def test_an_operation_that_no_rule_can_name_is_refused_where_there_is_one() -> None:
    """It is not in the allow list, and could be what is denied."""
    for table, allowed in (("log", False), ("free", True)):
        uses = [Use("LOCK", "app", table)]
        assert decide_statement(RULES, kinds={"ALTER"}, uses=uses, objects=OBJECTS).allowed is allowed


@pytest.mark.parametrize(
    ("use", "hidden"),
    [
        (("SELECT", "public", "people"), ("public", "people")),
        (("INSERT", "secret_plans", "t"), ("secret_plans", "t")),
        (("ALTER", "public", "people_pkey"), ("public", "people_pkey")),
    ],
)
def test_a_hidden_name_is_said_to_be_one(use: tuple[str, str, str], hidden: tuple[str, str]) -> None:
    """The caller of the decision answers as if it did not exist; the rule's text does not name it."""
    decision = decide(("SELECT", "public", "orders"), use)
    assert not decision.allowed
    assert decision.hidden == hidden
    assert decision.rule == "an object that it names does not exist"


@pytest.mark.parametrize(
    ("use", "named"),
    [
        (("SELECT", "public", "v_people"), "v_people"),
        (("DELETE", "public", "shops"), "shops"),
        (("TRUNCATE", "public", "parent"), "parent"),
    ],
)
def test_what_reaches_a_hidden_object_is_refused_under_its_own_name(use: tuple[str, str, str], named: str) -> None:
    """A visible view over a hidden table exists; the message names nothing else."""
    decision = decide(use)
    assert (decision.allowed, decision.hidden) == (False, None)
    assert decision.rule == f"{use[0]} on public.{named} reaches what the policy does not allow"


def test_without_the_catalog_nothing_is_allowed_on_tables() -> None:
    """Rules that cannot be applied refuse; without rules, or without tables, the catalog is not needed."""
    assert not decide(("SELECT", "public", "orders"), objects=None).allowed
    assert decide(("SELECT", "public", "orders"), rules=load(""), objects=None).allowed
    assert decide_statement(RULES, kinds={"SELECT"}).allowed


def statement(
    command: str, kinds: str, object_class: str = "schema", rules: Policy = RULES, **more: object
) -> Decision:
    """Decide a definition."""
    facts: dict[str, Any] = {
        "command": command,
        "kinds": kinds.split(),
        "object_class": object_class,
        "objects": Objects(),
    } | more
    return decide_statement(rules, **facts)


@pytest.mark.parametrize(
    ("command", "kinds", "object_class", "more"),
    [
        ("DROP TABLE", "DROP", "schema", {"uses": [Use("DROP", "app", "t")], "cascade": True}),
        ("DROP OWNED", "DROP", "power", {"sweeps": [("database", "")]}),
        ("REASSIGN OWNED", "ALTER", "power", {}),
        ("GRANT", "GRANT", "power", {"sweeps": [("schema", "app")]}),
        ("VACUUM", "ALTER", "maintenance", {}),
        ("REINDEX SCHEMA", "ALTER", "maintenance", {"targets": [("schema", "app")]}),
        ("GRANT", "GRANT", "power", {"targets": [("schema", "app")]}),
        ("DROP SCHEMA", "DROP", "schema", {"targets": [("schema", "app")], "sweeps": [("schema", "app")]}),
        ("CREATE FUNCTION", "CREATE", "code", {"targets": [("function", "app.f()")]}),
        ("CREATE TRIGGER", "CREATE", "code", {"uses": [Use("ALTER", "app", "t")]}),
        ("IMPORT FOREIGN SCHEMA", "CREATE", "power", {}),
    ],
)
def test_what_cannot_be_held_against_the_rules_is_refused(
    command: str, kinds: str, object_class: str, more: dict[str, Any]
) -> None:
    """It is allowed to the same administrator where there are no rules."""
    refused = statement(command, kinds, object_class, **more)
    assert (refused.allowed, refused.hidden) == (False, None)
    assert "cannot be held against the rules" in refused.rule
    assert statement(command, kinds, object_class, load(""), **more).allowed


@pytest.mark.parametrize(
    ("command", "target", "hidden"),
    [
        ("DROP SCHEMA", ("schema", "secret_plans"), ("secret_plans", "")),
        ("DROP DATABASE", ("database", "postgres"), ("", "postgres")),
        ("DROP FUNCTION", ("function", 'secret_x."F g"(integer)'), ("secret_x", "F g")),
        ("DROP TYPE", ("type", "secret_x.mood"), ("secret_x", "mood")),
    ],
)
def test_hidden_objects_that_are_no_relations(command: str, target: tuple[str, str], hidden: tuple[str, str]) -> None:
    """Schemas, databases, functions and types of hidden schemas are absent as well."""
    assert statement(command, "DROP", "power", targets=[target]).hidden == hidden
    assert statement(command, "DROP", "power", sweeps=[target]).hidden == hidden
    visible = (target[0], "app.f()" if "." in target[1] else "app")
    assert statement(command, "DROP", "power", targets=[visible]).hidden is None


def test_masks_alone_still_refuse_code() -> None:
    """A function of the model's own would read what is masked."""
    masks = load("masks: [{column: a.b.c, mask: hash}]")
    assert not statement("CREATE FUNCTION", "CREATE", "code", masks).allowed
    assert statement("DROP FUNCTION", "DROP", "code", masks).allowed
    assert statement("DROP TABLE", "DROP", rules=masks, uses=[Use("DROP", "a", "b")], cascade=True).allowed


def test_the_last_mask_of_a_layer_and_the_stricter_of_two_layers_counts() -> None:
    """A role masks more, and never less, than the file."""
    rules = load("""
role: r
masks:
  - {column: '*.*.email', mask: hash, permit: [filter, join]}
  - {column: public.staff.email, mask: clear}
  - {column: '*.*.phone', mask: partial, first: 2, last: 4, permit: [filter]}
roles:
  r:
    masks:
      - {column: public.customers.email, mask: partial, first: 1, permit: [filter]}
      - {column: '*.*.phone', mask: partial, first: 3, last: 1}
      - {column: public.staff.email, mask: redact, permit: [order]}
""").objects.masks
    found = {
        column: rule_for(rules, "public", *column.split("."))
        for column in ("customers.email", "orders.email", "staff.email", "x.phone", "x.name")
    }
    assert {column: rule.layer for column, rule in found.items() if rule} == {
        "customers.email": 0,
        "orders.email": 0,
        "staff.email": 0,
        "x.phone": 0,
    }
    said = {
        column: rule and (rule.mask.kind, rule.mask.first, rule.mask.last, set(rule.permit))
        for column, rule in found.items()
    }
    assert said == {
        "customers.email": ("hash", 0, 0, {"filter"}),
        "orders.email": ("hash", 0, 0, {"filter", "join"}),
        "staff.email": ("redact", 0, 0, {"order"}),
        "x.phone": ("partial", 2, 1, set()),
        "x.name": None,
    }
