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
    """governance.example.yaml loads, and shows every key there is."""
    import yaml

    from pgwarden.policy.model import Document
    from pgwarden.tools import CATEGORIES

    text = EXAMPLE.read_text()
    tools = {spec.name: category.name for category in CATEGORIES for spec in category.tools}
    policy.load(PolicySettings(), LimitSettings(), text, tools)
    data = yaml.safe_load(text)
    assert set(data) == set(Document.model_fields)
    for section in ("categories", "tools", "functions", "limits"):
        assert set(data[section]) == set(Document.model_fields[section].annotation.model_fields)  # type: ignore[union-attr]


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
