"""The policy: loading it, and the decisions."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from pgwarden import policy
from pgwarden.errors import ConfigError
from pgwarden.policy import Policy, decide_kinds, decide_tool
from pgwarden.policy.profiles import CATEGORIES as PROFILE_CATEGORIES
from pgwarden.policy.profiles import SQL_PROFILES, STATEMENT_TYPES
from pgwarden.settings import LimitSettings, PolicySettings

TOOLS = {"run_query": "sql_query", "list_tables": "schema_read", "list_roles": "schema_read", "enable": "session"}
EXAMPLE = Path(__file__).parents[2] / "governance.example.yaml"


def load(text: str | None = None, **settings: object) -> Policy:
    """Load a policy over the test's tools."""
    return policy.load(PolicySettings.model_validate(settings), LimitSettings(), text, TOOLS)[0]


@pytest.mark.parametrize(
    ("rules", "tool", "allowed", "rule"),
    [
        (Policy(), "run_query", True, "tool_profile read_only"),
        (Policy(tool_profile="operator"), "run_query", False, "tool_profile operator"),
        (
            Policy(tool_profile="operator", categories_allowed=frozenset({"sql_query"})),
            "run_query",
            True,
            "categories.allow",
        ),
        (Policy(categories_denied=frozenset({"sql_query"})), "run_query", False, "categories.deny"),
        (
            Policy(categories_denied=frozenset({"sql_query"}), tools_allowed=frozenset({"run_query"})),
            "run_query",
            False,
            "categories.deny",
        ),
        (
            Policy(tools_allowed=frozenset({"run_query"}), tools_denied=frozenset({"run_query"})),
            "run_query",
            False,
            "tools.deny",
        ),
        (Policy(tool_profile="operator", tools_allowed=frozenset({"run_query"})), "run_query", True, "tools.allow"),
    ],
)
def test_deny_beats_allow_beats_profile(rules: Policy, tool: str, allowed: bool, rule: str) -> None:
    """Each decision names the rule that made it."""
    decision = decide_tool(rules, tool, TOOLS[tool])
    assert (decision.allowed, decision.rule) == (allowed, rule)


def test_profiles_grow_and_name_known_types_only() -> None:
    """read_only < analyst < developer < admin, over exactly the 17 statement types."""
    order = [SQL_PROFILES[name] for name in ("read_only", "analyst", "developer", "admin")]
    assert all(smaller < larger for smaller, larger in pairwise(order))
    assert order[-1] == set(STATEMENT_TYPES)
    assert len(STATEMENT_TYPES) == 17


def test_profiles_know_exactly_the_catalogue() -> None:
    """A category that no profile names would be granted to nobody, and a name without a category is a typo."""
    from pgwarden.tools import CATEGORIES

    assert {category.name for category in CATEGORIES} == PROFILE_CATEGORIES


@pytest.mark.parametrize(
    ("profile", "kinds", "allowed"),
    [
        ("read_only", ("SELECT",), True),
        ("read_only", ("SELECT", "DELETE"), False),
        ("analyst", ("INSERT",), True),
        ("analyst", ("INSERT", "UPDATE"), False),
        ("admin", ("DROP",), True),
    ],
)
def test_every_kind_must_be_granted(profile: str, kinds: tuple[str, ...], allowed: bool) -> None:
    """A statement with several effects needs all of them."""
    assert decide_kinds(Policy(sql_profile=profile), kinds).allowed is allowed


def test_an_unknown_kind_is_denied_in_every_profile() -> None:
    """A kind that is none of the 17 is nobody's."""
    assert not any(decide_kinds(Policy(sql_profile=name), ("COPY",)).allowed for name in SQL_PROFILES)


def test_the_example_is_complete_and_valid() -> None:
    """governance.example.yaml loads, and shows every key there is, also those of a role and of a connection."""
    import yaml

    from pgwarden.policy.document import Column, Connection, Document, Role, Table
    from pgwarden.tools import CATEGORIES

    text = EXAMPLE.read_text()
    tools = {spec.name: category.name for category in CATEGORIES for spec in category.tools}
    policy.load(PolicySettings(), LimitSettings(), text, tools)
    data = yaml.safe_load(text)
    role = data["roles"]["support"]
    assert set(data) == set(Document.model_fields)
    assert set(role) == set(Role.model_fields)
    assert set().union(*data["connections"].values()) == set(Connection.model_fields)
    sections = ("categories", "tools", "statements", "commands", "functions", "databases", "schemas", "limits")
    for section in sections:
        assert set(data[section]) == set(Document.model_fields[section].annotation.model_fields)  # type: ignore[union-attr]
    assert set().union(*data["tables"], *role["tables"]) == set(Table.model_fields)
    assert set().union(*data["masks"]) == set(Column.model_fields)


def test_environment_beats_yaml_beats_default() -> None:
    """A value is taken from the first that gives one."""
    text = "version: 1\nprofile: analyst\nlimits: {max_rows: 5, rate_limit: 6}\n"
    rules, limits = policy.load(PolicySettings(), LimitSettings(max_rows=9), text, TOOLS)
    assert rules.sql_profile == "analyst"
    assert (limits.max_rows, limits.rate_limit, limits.max_concurrency) == (9, 6, 8)
    assert load(text, profile="read_only").sql_profile == "read_only"


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("version: 1\nsql_profile: admin\ntool_profile: admin\n", {"profile": "read_only"}, ("read_only", "read_only")),
        ("version: 1\nsql_profile: admin\n", {"profile": "operator"}, ("read_only", "operator")),
        ("version: 1\nprofile: admin\n", {"sql_profile": "analyst"}, ("analyst", "admin")),
        ("version: 1\nprofile: admin\nsql_profile: analyst\n", {}, ("analyst", "admin")),
        ("version: 1\n", {"profile": "admin", "tool_profile": "operator"}, ("admin", "operator")),
    ],
)
def test_the_environment_wins_layer_by_layer(text: str, environment: dict[str, str], expected: tuple[str, str]) -> None:
    """A profile of the environment narrows both layers, whatever the file says of one."""
    rules = load(text, **environment)
    assert (rules.sql_profile, rules.tool_profile) == expected


def test_the_operator_has_no_sql_of_its_own() -> None:
    """`operator` is a tool profile; under it SQL stays read only."""
    rules = load(None, profile="operator")
    assert (rules.sql_profile, rules.tool_profile) == ("read_only", "operator")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("version: 1\nprofil: admin\n", "governance line 2: the key profil is not known", "profile"),
        ("version: 1\ntools:\n  alow: [run_query]\n", "governance line 3: the key tools.alow is not known", "allow"),
        (
            "version: 1\ntools:\n  deny: [runquery]\n",
            "governance line 3: tools.deny: 'runquery' is not known",
            "run_query",
        ),
        ("version: 1\nsql_profile: readonly\n", "governance line 2: sql_profile: 'readonly' is not known", "read_only"),
        ("version: 1\ncategories: {deny: [schema]}\n", "categories.deny: 'schema' is not known", ""),
        ("version: 1\ntoolsets: [sql_quer]\n", "toolsets: 'sql_quer' is not known", "sql_query"),
        ("version: 1\nlimits:\n  max_rows: 0\n", "governance line 3: limits.max_rows", ""),
        ("version: 2\n", "governance line 1: version", ""),
        ("profile: admin\n", "version", ""),
        ("version: 1\ntools: {deny: []}\ntools: {deny: []}\n", "governance line 3: tools is given twice", ""),
        ("version: [1\n", "not valid YAML", ""),
        (
            "version: 1\nfunctions:\n  allow: [pg_sleep]\n",
            "governance line 3: functions.allow: 'pg_sleep' is no",
            "type",
        ),
        ("version: 1\nfunctions:\n  allow: ['public.\"F\"(integer)']\n", "is no signature", "without quotes"),
        ("version: 1\nprofile: analist\n", "governance line 2: profile: 'analist' is not known", "analyst"),
        ("version: 1\ntools: &a\n  allow: *a\n", "governance line", ""),
        ("", "version", ""),
        ("- a\n", "governance", ""),
        ("version: 1\nstatements:\n  deny: [DELET]\n", "governance line 3: statements.deny.0: 'DELET'", "DELETE"),
        ("version: 1\nstatements: {allow: [delete]}\n", "'delete' is not known", "DELETE"),
        ("version: 1\nstatements: {allow: [COPY]}\n", "'COPY' is not known", "SELECT, SHOW"),
        ("version: 1\ncommands: {deny: [VACUM]}\n", "commands.deny: 'VACUM' is not known", "VACUUM"),
        ("version: 1\ncommands: {deny: [ALTER TABLE DROP COLUMN]}\n", "is not known", "ALTER TABLE"),
        ("version: 1\nunsafe: [PROGRAM]\n", "unsafe.0: 'PROGRAM' is not known", "COPY"),
        ("version: 1\ndeletes: soft\n", "governance line 2: deletes: 'soft' is not known", "archive"),
        ("version: 1\nschemas: {deny: ['']}\n", "is no pattern", ""),
        ("version: 1\nschemas: {deny: [a.b]}\n", "has 2 of 1 parts", ""),
        ("version: 1\ndatabases: {allow: [my-db]}\n", "double quotes", ""),
        ("version: 1\ntables: [{match: orders, deny: [DROP]}]\n", "has 1 of 2 parts: write schema.table", ""),
        ("version: 1\ntables: [{match: a.b.c, hidden: true}]\n", "has 3 of 2 parts", ""),
        ("version: 1\ntables: [{match: a.., hidden: true}]\n", "is no pattern", ""),
        (f"version: 1\ntables: [{{match: a.{'x' * 64}, hidden: true}}]\n", "matches nothing", ""),
        ("version: 1\ntables:\n  - match: a.b\n", "governance line 3: tables.0: the rule says nothing", ""),
        ("version: 1\ntables:\n  - {match: a.b, hidden: true, deny: [DROP]}\n", "line 3: tables.0: hidden", ""),
        ("version: 1\ntables:\n  - match: a.b\n    deni: [DROP]\n", "line 4: the key tables.0.deni is not", "deny"),
        ("version: 1\ntables:\n  - match: a.b\n    deny: [SELECTS]\n", "line 4: tables.0.deny.0: 'SELECTS'", "SELECT"),
        ("version: 1\ntables: [{deny: [DROP]}]\n", "tables.0.match: Field required", ""),
        ("version: 1\nmasks:\n  - column: a.b.c\n", "masks.0.mask: Field required", ""),
        ("version: 1\nmasks:\n  - column: a.b.c\n    mask:\n", "governance line 4: masks.0.mask", ""),
        ("version: 1\nmasks: [{column: a.b.c, mask: hashed}]\n", "masks.0.mask: 'hashed' is not known", "hash"),
        ("version: 1\nmasks: [{column: a.b, mask: hash}]\n", "has 2 of 3 parts", ""),
        ("version: 1\nmasks: [{column: a.b.c, mask: partial}]\n", "partial shows nothing", ""),
        ("version: 1\nmasks: [{column: a.b.c, mask: hash, last: 4}]\n", "belong to mask: partial", ""),
        ("version: 1\nmasks: [{column: a.b.c, mask: hash, permit: [sort]}]\n", "'sort' is not known", "order"),
        ("version: 1\nmasks: [{column: a.b.c, mask: clear, permit: [order]}]\n", "needs no permit", ""),
        ("version: 1\nrole: analist\n", "governance line 2: role: 'analist' is not known", "analyst"),
        ("version: 1\nroles: {a: {}}\nroles: {b: {}}\n", "line 3: roles is given twice", ""),
        ("version: 1\nroles:\n  a: {}\n  a: {}\n", "governance line 4: roles.a is given twice", ""),
        ("version: 1\nroles: {' ': {}}\n", "is no name of a role", ""),
        ("version: 1\nroles:\n  a:\n    profil: admin\n", "line 4: the key roles.a.profil is not", "profile"),
        ("version: 1\nroles:\n  a:\n    profile: adm\n", "line 4: roles.a.profile: 'adm'", "admin"),
        ("version: 1\nroles:\n  a:\n    role: admin\n", "the key roles.a.role is not known", ""),
        ("version: 1\nroles:\n  a: {tools: {deny: [run_qery]}}\n", "roles.a.tools.deny: 'run_qery'", "run_query"),
        ("version: 1\nroles: {profile: {masks: [{column: a.b.c, mask: clear}]}}\n", "cannot clear a mask", ""),
        ("version: 1\nroles: {a: {limits: {max_rows: 0}}}\n", "roles.a.limits.max_rows", ""),
    ],
)
def test_a_wrong_file_stops_the_start(text: str, message: str, hint: str) -> None:
    """The error has the line and the nearest valid name."""
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_toolsets_all_means_every_category() -> None:
    """`all` shows whatever is granted."""
    assert load(None, toolsets="all").toolsets == ("schema_read", "session", "sql_query")


def test_an_unknown_role_of_the_environment_stops_the_start() -> None:
    """The error names the variable, and the nearest role of the file."""
    with pytest.raises(ConfigError) as caught:
        load("version: 1\nrole: admin\nroles: {support: {}}\n", role="suport")
    assert caught.value.message == "PGWARDEN_ROLE: 'suport' is not known."
    assert caught.value.hint == "Did you mean support?"


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("version: 1\nrole: analyst\n", {}, ("analyst", "analyst", "analyst")),
        ("version: 1\nrole: analyst\n", {"role": "admin"}, ("admin", "admin", "admin")),
        ("version: 1\nprofile: admin\nrole: analyst\n", {}, ("analyst", "analyst", "analyst")),
        ("version: 1\nsql_profile: admin\nroles: {a: {}}\n", {"role": "a"}, ("a", "admin", "read_only")),
        ("version: 1\nrole: admin\n", {"profile": "read_only"}, ("admin", "read_only", "read_only")),
        (
            "version: 1\nrole: analyst\nroles: {analyst: {sql_profile: read_only}}\n",
            {},
            ("analyst", "read_only", "analyst"),
        ),
    ],
)
def test_the_role_stands_between_environment_and_file(
    text: str, environment: dict[str, str], expected: tuple[str, str, str]
) -> None:
    """Its profiles replace the file's and yield to the environment's; a built-in role can be refined."""
    rules = load(text, **environment)
    assert (rules.role, rules.sql_profile, rules.tool_profile) == expected


def test_the_operator_role_changes_rows_and_deletes_nothing() -> None:
    """The built-in role allows INSERT and UPDATE, and nothing of the file brings the rest back."""
    rules = load("version: 1\nrole: operator\nstatements: {allow: [DELETE, DROP, CREATE]}\n")
    assert rules.statement_types == {"SELECT", "SHOW", "DESCRIBE", "EXPLAIN", "INSERT", "SET", "UPDATE"}
    assert not decide_tool(rules, "delete_rows", "rows_write").allowed
    assert decide_tool(load("version: 1\nrole: operator\n"), "run_query", "sql_query").allowed


def test_the_rule_that_decided_names_its_role() -> None:
    """What a role brought in is told from what the file itself says."""
    text = "version: 1\nrole: a\ntools: {deny: [list_roles]}\nroles: {a: {tools: {deny: [run_query, list_roles]}}}\n"
    rules = load(text)
    assert decide_tool(rules, "run_query", "sql_query").rule == "roles.a.tools.deny"
    assert decide_tool(rules, "list_roles", "schema_read").rule == "tools.deny"


def test_limits_of_the_role_replace_the_files() -> None:
    """The environment still wins."""
    role = "{limits: {max_rows: 3, rate_limit: 2}}"
    text = f"version: 1\nrole: a\nlimits: {{max_rows: 5, rate_limit: 6}}\nroles: {{a: {role}}}\n"
    _, limits = policy.load(PolicySettings(), LimitSettings(rate_limit=9), text, TOOLS)
    assert (limits.max_rows, limits.rate_limit) == (3, 9)


def test_the_null_mask_needs_no_quotes() -> None:
    """YAML's null is the mask's name here."""
    (rule,) = load("version: 1\nmasks: [{column: a.b.c, mask: null}]\n").objects.masks
    assert rule.mask.kind == "null"
