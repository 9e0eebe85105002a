"""`pgwarden://policy` and `pgwarden policy`: what a caller may do, and which rule decided it.

The model reads the resource, so it names nothing that the rules hide; the owner's command line shows every rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pgwarden.catalogue import Category
from pgwarden.policy import Policy, decide_tool, decide_type
from pgwarden.policy.masks import MaskRule
from pgwarden.policy.objects import ObjectRules, TableRule
from pgwarden.policy.patterns import write
from pgwarden.policy.profiles import STATEMENT_TYPES, TIERS
from pgwarden.policy.scopes import Scopes
from pgwarden.policy.showing import around, hiding_rules, shown_masks, shown_patterns, shown_signatures, shown_tables
from pgwarden.results import Report
from pgwarden.settings import LimitSettings


def render(
    policy: Policy,
    limits: LimitSettings,
    categories: Sequence[Category],
    scopes: Scopes,
    *,
    consent: str = "auto",
    role_warnings: Iterable[str] = (),
    for_owner: bool = False,
    connections: Sequence[Mapping[str, Any]] = (),
) -> Report:
    """Return what the caller may do, as a document.

    Args:
        policy: The policy in force.
        limits: The limits in force.
        categories: The catalogue.
        scopes: What the caller's token grants.
        consent: How a yes is taken: auto, human or argument.
        role_warnings: What the database's role could do beyond the policy, a sentence each.
        connections: What holds on each connection, in short; shown where there are several.
        for_owner: Whether hidden objects are named: only where no model reads it.
    """
    data: dict[str, Any] = {
        "role": policy.role or None,
        "sql_profile": policy.sql_profile,
        "tool_profile": policy.tool_profile,
        "consent": consent,
        "scopes": None if scopes.granted is None else sorted(scopes.granted),
        "statements": [_statement(policy, kind) for kind in STATEMENT_TYPES],
        "commands_denied": sorted(policy.commands_denied),
        "unsafe": sorted(policy.unsafe),
        "deletes": policy.deletes,
        "tools": [_category(policy, scopes, category) for category in categories],
        "functions_allowed": shown_signatures(ObjectRules() if for_owner else policy.objects, policy.functions_allowed),
        **_objects(policy, for_owner),
        "limits": limits.model_dump(),
        "warnings": list(role_warnings),
    }
    if len(connections) > 1:
        data["connections"] = list(map(dict, connections))
    return Report("\n\n".join(part for part in _parts(data) if part), data)


def _statement(policy: Policy, kind: str) -> dict[str, Any]:
    decision = decide_type(policy, kind)
    return {"type": kind, "allowed": decision.allowed, "rule": decision.rule, "tier": TIERS[kind]}


def _category(policy: Policy, scopes: Scopes, category: Category) -> dict[str, Any]:
    tools = []
    for spec in category.tools:
        decision = decide_tool(policy, spec.name, category.name)
        tool: dict[str, Any] = {"tool": spec.name, "granted": decision.allowed, "rule": decision.rule}
        if decision.allowed and not scopes.has(spec.scope):
            tool |= {"granted": False, "rule": f"the token lacks {spec.scope}"}
        tools.append(tool)
    return {"category": category.name, "tools": tools}


def _objects(policy: Policy, for_owner: bool) -> dict[str, Any]:
    """Return the rules about objects: all of them, or those that name nothing hidden."""
    rules = policy.objects
    tables = [rule for rule in rules.tables if for_owner or not rule.hidden]
    shown = {
        "databases_allowed": shown_patterns(ObjectRules(rules.databases_allowed) if for_owner else rules, "databases"),
        "schemas_allowed": shown_patterns(
            ObjectRules(schemas_allowed=rules.schemas_allowed) if for_owner else rules, "schemas"
        ),
        "tables": [_table(rule) for rule in (tables if for_owner else shown_tables(rules))],
        "masks": [_mask(rule) for rule in (rules.masks if for_owner else shown_masks(rules))],
        "hiding_rules": hiding_rules(rules),
    }
    if for_owner:
        return {**shown, **_hidden(rules)}
    said = len(shown_tables(rules)) + len(shown_masks(rules))
    return {**shown, "rules_not_shown": len(tables) + len(rules.masks) - said}


def _hidden(rules: ObjectRules) -> dict[str, list[str]]:
    """Return the lists of names that only the owner may see."""
    outer = tuple(around(rules))
    lists = {
        "databases_denied": rules.databases_denied,
        "schemas_denied": rules.schemas_denied,
        "databases_allowed_by_file": tuple(name for each in outer for name in each.databases_allowed),
        "schemas_allowed_by_file": tuple(name for each in outer for name in each.schemas_allowed),
    }
    return {name: [write(each) for each in patterns] for name, patterns in lists.items()}


def _table(rule: TableRule) -> dict[str, Any]:
    said: dict[str, Any] = {"rule": rule.origin, "match": write(rule.schema, rule.table)}
    if rule.hidden:
        said["hidden"] = True
    if rule.allow is not None:
        said["allow"] = sorted(rule.allow)
    if rule.deny:
        said["deny"] = sorted(rule.deny)
    return said


def _mask(rule: MaskRule) -> dict[str, Any]:
    said: dict[str, Any] = {"rule": rule.origin, "column": write(rule.schema, rule.table, rule.column)}
    said["mask"] = rule.mask.kind
    if rule.mask.kind == "partial":
        said |= {"first": rule.mask.first, "last": rule.mask.last}
    if rule.permit:
        said["permit"] = sorted(rule.permit)
    return said


def _parts(data: dict[str, Any]) -> Iterable[str]:
    """Yield the document's paragraphs."""
    scopes = "no token" if data["scopes"] is None else ", ".join(data["scopes"]) or "none"
    role = f"role {data['role']} · " if data["role"] else ""
    yield (
        f"{role}sql_profile {data['sql_profile']} · tool_profile {data['tool_profile']} · consent {data['consent']}"
        f" · scopes: {scopes}"
    )
    yield _bullets("Warnings", data["warnings"])
    yield _bullets("Connections", list(map(_connection_line, data.get("connections", ()))))
    rows = "\n".join(
        f"| {row['type']} | {'yes' if row['allowed'] else 'no'} | {row['rule']} | {row['tier']} |"
        for row in data["statements"]
    )
    yield f"## Statements\n| type | allowed | rule | needs |\n| --- | --- | --- | --- |\n{rows}"
    yield _bullets("Beyond the types", _extras(data))
    yield _bullets("Tools", [line for each in data["tools"] for line in _tool_lines(each)])
    yield _bullets("Objects", _object_lines(data))
    yield _bullets("Masks", [_mask_line(each) for each in data["masks"]])
    yield "## Limits\n" + ", ".join(f"{name} {value:g}" for name, value in data["limits"].items())


def _connection_line(said: dict[str, Any]) -> str:
    current = " (the current one, shown here)" if said["current"] else ""
    rest = ((name, value) for name, value in said.items() if name not in ("connection", "current") and value)
    return f"{said['connection']}{current}: " + ", ".join(f"{name} {_number(value)}" for name, value in rest)


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bullets(title: str, lines: Sequence[str]) -> str:
    return "\n".join((f"## {title}", *(f"- {line}" for line in lines))) if lines else ""


def _extras(data: dict[str, Any]) -> list[str]:
    lines = [
        _listed("blocked commands", data["commands_denied"]),
        _listed("unsafe, and allowed", data["unsafe"]),
        _listed("functions allowed", data["functions_allowed"]),
        "deletes: archive; no row is deleted for good" if data["deletes"] == "archive" else "",
    ]
    return [line for line in lines if line]


def _tool_lines(category: dict[str, Any]) -> Iterable[str]:
    """Yield a line for each answer and rule of a category's tools."""
    groups: dict[tuple[bool, str], list[str]] = {}
    for tool in category["tools"]:
        groups.setdefault((not tool["granted"], tool["rule"]), []).append(tool["tool"])
    for (refused, rule), names in sorted(groups.items()):
        yield f"{category['category']}: {'not ' if refused else ''}{', '.join(names)} ({rule})"


def _object_lines(data: dict[str, Any]) -> list[str]:
    lines = [
        _listed("only databases", data["databases_allowed"]),
        _listed("only schemas", data["schemas_allowed"]),
        _listed("of these, by the file, only databases", data.get("databases_allowed_by_file", ())),
        _listed("of these, by the file, only schemas", data.get("schemas_allowed_by_file", ())),
        _listed("no databases", data.get("databases_denied", ())),
        _listed("no schemas", data.get("schemas_denied", ())),
        *map(_table_line, data["tables"]),
    ]
    hiding, withheld = data["hiding_rules"], data.get("rules_not_shown")
    if hiding:
        lines.append("1 rule hides objects" if hiding == 1 else f"{hiding} rules hide objects")
    if withheld:
        lines.append(f"{withheld} more could name such objects and {'is' if withheld == 1 else 'are'} not shown")
    return [line for line in lines if line]


def _table_line(rule: dict[str, Any]) -> str:
    said = ["hidden"] if "hidden" in rule else []
    if "allow" in rule:
        said.append(f"only {', '.join(rule['allow'])}" if rule["allow"] else "nothing")
    if "deny" in rule:
        said.append(f"no {', '.join(rule['deny'])}")
    return f"{rule['match']}: {'; '.join(said)} ({rule['rule']})"


def _mask_line(rule: dict[str, Any]) -> str:
    ends = f", first {rule['first']}, last {rule['last']}" if "first" in rule else ""
    permit = f", permits {', '.join(rule['permit'])}" if "permit" in rule else ""
    return f"{rule['column']}: {rule['mask']}{ends}{permit} ({rule['rule']})"


def _listed(what: str, names: Iterable[str]) -> str:
    names = list(names)
    return f"{what}: {', '.join(names)}" if names else ""
