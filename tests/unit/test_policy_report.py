"""`pgwarden://policy` and `pgwarden policy`: complete, and silent about what is hidden."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pgwarden import policy
from pgwarden.policy.scopes import Scopes
from pgwarden.resources.policy import render
from pgwarden.results import Report
from pgwarden.settings import LimitSettings, PolicySettings
from pgwarden.tools import CATEGORIES

TOOLS = {spec.name: category.name for category in CATEGORIES for spec in category.tools}
FILE = """
version: 1
role: support
sql_profile: developer
tools: {deny: [list_roles]}
statements: {allow: [TRUNCATE]}
commands: {deny: [VACUUM]}
functions: {allow: [public.total(integer), hidden_f.g(), public.h(hidden_f.mood)]}
databases: {deny: [hidden_db]}
schemas: {allow: [public, hidden_own, app], deny: ['hidden_*']}
tables:
  - {match: public.hidden_people, hidden: true}
  - {match: public.orders, deny: [DELETE]}
  - {match: hidden_own.payroll, deny: [DELETE]}
  - {match: 'public.hidden_*', deny: [DELETE]}
masks:
  - {column: '*.*.email', mask: partial, first: 2, permit: [filter]}
  - {column: hidden_own.payroll.hidden_pay, mask: hash}
  - {column: hidden_sub.t.c, mask: hash}
  - {column: unlisted_hidden.t.c, mask: hash}
  - {column: '*.hidden_people.c', mask: hash}
  - {column: public.customers.phone, mask: redact}
roles:
  support:
    statements: {deny: [DELETE]}
    tools: {deny: [list_databases]}
    schemas: {allow: [public, hidden_own, hidden_role]}
    limits: {max_rows: 77}
"""


def report(text: str = FILE, scopes: Scopes | None = None, **options: Any) -> Report:
    """Render a policy."""
    rules, limits = policy.load(PolicySettings(), LimitSettings(), text, TOOLS)
    return render(rules, limits, CATEGORIES, scopes or Scopes(), **options)


def test_every_statement_type_with_its_rule_and_tier() -> None:
    """All 17, in text and data alike."""
    said = {row["type"]: row for row in report().data["statements"]}
    assert len(said) == 17
    assert said["UPDATE"] == {
        "type": "UPDATE",
        "allowed": True,
        "rule": "sql_profile developer",
        "tier": "confirm; typed without a real WHERE",
    }
    assert (said["TRUNCATE"]["allowed"], said["TRUNCATE"]["rule"]) == (True, "statements.allow")
    assert (said["DELETE"]["allowed"], said["DELETE"]["rule"]) == (False, "roles.support.statements.deny")
    assert (said["DROP"]["allowed"], said["DROP"]["rule"]) == (False, "sql_profile developer")
    assert "| DELETE | no | roles.support.statements.deny |" in report().text


def test_every_tool_is_granted_or_refused_by_a_rule() -> None:
    """By category, in the catalogue's order."""
    data = report().data["tools"]
    assert [each["category"] for each in data] == [category.name for category in CATEGORIES]
    rules = {tool["tool"]: (tool["granted"], tool["rule"]) for each in data for tool in each["tools"]}
    assert set(rules) == set(TOOLS)
    assert rules["run_query"] == (True, "tool_profile read_only")
    assert rules["list_roles"] == (False, "tools.deny")
    assert rules["list_databases"] == (False, "roles.support.tools.deny")
    assert "schema_read: not list_roles (tools.deny)" in report().text


def test_a_token_without_the_scope_takes_the_tools_away() -> None:
    """The rule names the missing scope."""
    said = report(scopes=Scopes(granted=frozenset({"backups:admin"})))
    tools = [tool for each in said.data["tools"] for tool in each["tools"]]
    assert not any(tool["granted"] for tool in tools)
    assert "the token lacks database:read" in said.text
    assert "scopes: backups:admin" in said.text


@pytest.mark.parametrize("part", ["text", "data"])
def test_what_the_model_reads_names_nothing_hidden(part: str) -> None:
    """No name or pattern of a hidden object, also where rules on visible objects mention one."""
    said = report()
    text = said.text if part == "text" else json.dumps(said.data)
    assert "hidden_" not in text
    assert "payroll" not in text
    assert "unlisted" not in text
    assert "public.orders" in text
    assert "*.*.email" in text
    assert "public.customers.phone" in text


def test_the_number_of_hiding_rules_is_told() -> None:
    """So that a model can say why something may be missing."""
    assert "- 3 rules hide objects" in report().text
    assert report().data["hiding_rules"] == 3
    assert report().data["rules_not_shown"] == 6
    assert "- 6 more could name such objects and are not shown" in report().text
    assert "- 1 rule hides objects" in report("version: 1\nschemas: {deny: [s]}\n").text
    assert "hide" not in report("version: 1\n").text


def test_the_owner_sees_every_rule() -> None:
    """With where it stands."""
    text = report(for_owner=True).text
    for said in (
        "public.hidden_people: hidden (tables[1])",
        "hidden_own.payroll: no DELETE (tables[3])",
        "no databases: hidden_db",
        "functions allowed: hidden_f.g(), public.h(hidden_f.mood), public.total(integer)",
        "no schemas: hidden_*",
        "only schemas: public, hidden_own, hidden_role",
        "of these, by the file, only schemas: public, hidden_own, app",
        "*.*.email: partial, first 2, last 0, permits filter (masks[1])",
        "unlisted_hidden.t.c: hash (masks[4])",
    ):
        assert said in text, said


def test_the_rest_is_said() -> None:
    """Profiles, consent, limits, blocked commands, functions, and the role's warnings."""
    said = report(consent="human", role_warnings=["The role is a superuser."])
    for part in (
        "role support · sql_profile developer · tool_profile read_only · consent human · scopes: no token",
        "- The role is a superuser.",
        "- blocked commands: VACUUM",
        "- functions allowed: public.total(integer)",
        "max_rows 77,",
    ):
        assert part in said.text, part
    assert said.data["limits"]["max_rows"] == 77
    assert "deletes: archive" in report("version: 1\ndeletes: archive\n").text
    json.dumps(said.data)
