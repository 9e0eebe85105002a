"""What holds of every policy: deny beats allow, order means nothing, a denial or a role never widens."""

from __future__ import annotations

from itertools import product
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pgwarden import policy
from pgwarden.policy import Policy, decide_statement, decide_tool, hides_database, hides_table
from pgwarden.policy.masks import Mask, MaskKind, rule_for, stricter
from pgwarden.policy.objects import OPERATIONS, Objects, Use
from pgwarden.policy.profiles import SQL_PROFILES, STATEMENT_TYPES
from pgwarden.settings import LimitSettings, PolicySettings

TOOLS = {"run_query": "sql_query", "list_tables": "schema_read", "list_roles": "schema_read", "enable": "session"}
SCHEMAS, TABLES = ("app", "audit"), ("orders", "people")
OBJECTS = Objects(reads={("app", "orders"): frozenset({("audit", "people")})})

Part = dict[str, Any]
patterns = st.sampled_from(["app", "audit", "a*", "*", "*u*"])
tables = st.sampled_from(["orders", "people", "*"])


def names(known: Any) -> st.SearchStrategy[Part]:
    """An allow list and a deny list over these names."""
    some = st.lists(st.sampled_from(sorted(known)), max_size=3, unique=True)
    return st.fixed_dictionaries({}, optional={"allow": some, "deny": some})


table_rules = st.builds(
    lambda schema, table, said: {"match": f"{schema}.{table}", **said},
    patterns,
    tables,
    st.one_of(
        st.just({"hidden": True}),
        st.builds(lambda some: {"allow": some}, st.lists(st.sampled_from(OPERATIONS), max_size=9, unique=True)),
        st.builds(
            lambda allowed, denied: {"deny": denied, **({"allow": allowed} if allowed else {})},
            st.lists(st.sampled_from(OPERATIONS), max_size=9, unique=True),
            st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=3),
        ),
    ),
)
denials: dict[str, st.SearchStrategy[Any]] = {
    "categories": names(TOOLS.values()),
    "tools": names(TOOLS),
    "statements": names(STATEMENT_TYPES),
    "commands": st.builds(lambda some: {"deny": some}, st.lists(st.sampled_from(["DELETE", "DROP", "SELECT"]))),
    "deletes": st.sampled_from(["hard", "archive"]),
    "databases": names(["app", "shop", "s*"]),
    "schemas": names(["app", "audit", "a*"]),
    "tables": st.lists(table_rules, max_size=3),
}
profiles = {"profile": st.sampled_from(sorted(SQL_PROFILES))}
masks = st.lists(
    st.builds(
        lambda table, mask, permit: {
            "column": f"app.{table}.email",
            "mask": mask,
            "permit": permit,
            **({"first": 2} if mask == "partial" else {}),
        },
        tables,
        st.sampled_from(["redact", "partial", "hash", "null"]),
        st.lists(st.sampled_from(["filter", "order"]), unique=True),
    ),
    max_size=3,
)
documents = st.fixed_dictionaries({}, optional={**denials, **profiles, "masks": masks})
pairs = st.one_of(
    st.tuples(documents, documents),
    # The same section twice is where one could undo the other.
    st.sampled_from(sorted(denials)).flatmap(
        lambda key: st.tuples(*[st.fixed_dictionaries({key: denials[key], "profile": st.just("admin")})] * 2)
    ),
)


def load(document: Part) -> Policy:
    """Load a document."""
    text = yaml.safe_dump({"version": 1, **document})
    return policy.load(PolicySettings(), LimitSettings(), text, TOOLS)[0]


def granted(rules: Policy) -> set[tuple[str, ...]]:
    """Return everything that a policy allows, of a small world."""
    found: set[tuple[str, ...]] = {
        ("tool", tool) for tool, category in TOOLS.items() if decide_tool(rules, tool, category).allowed
    }
    found |= {("database", name) for name in ("app", "shop") if not hides_database(rules.objects, name)}
    for schema, table, operation in product(SCHEMAS, TABLES, OPERATIONS):
        uses = [Use(operation, schema, table)]
        if decide_statement(rules, kinds={operation}, command=operation, uses=uses, objects=OBJECTS).allowed:
            found.add((schema, table, operation))
        if not hides_table(rules.objects, schema, table):
            found.add(("seen", schema, table))
    return found


def with_role(document: Part, role: Part) -> Policy:
    """Load a document with a role in force."""
    return load({**document, "roles": {"r": role}, "role": "r"})


@given(documents, st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_order_of_a_list_means_nothing(document: Part, random: Any) -> None:
    """Masks apart, of which the last counts."""
    shuffled: Part = {}
    for key, value in document.items():
        items = list(value.items()) if isinstance(value, dict) else value
        if isinstance(value, dict):
            shuffled[key] = {name: random.sample(some, len(some)) for name, some in items}
        else:
            shuffled[key] = random.sample(value, len(value)) if key == "tables" else value
    assert granted(load(shuffled)) == granted(load(document))


@given(documents, st.data())
@settings(max_examples=120, deadline=None)
def test_one_more_denial_never_allows_more(document: Part, data: st.DataObject) -> None:
    """Whatever list it is added to."""
    section = data.draw(
        st.sampled_from(["categories", "tools", "statements", "commands", "schemas", "databases", "tables"])
    )
    addition = data.draw(denials[section])
    if section == "tables":
        narrower = {**document, "tables": [*document.get("tables", []), *addition]}
    else:
        before = document.get(section, {})
        narrower = {**document, section: {**before, "deny": [*before.get("deny", []), *addition.get("deny", [])]}}
    assert granted(load(narrower)) <= granted(load(document))


@given(pairs)
@settings(max_examples=200, deadline=None)
def test_a_role_never_brings_back_what_the_file_denies(pair: tuple[Part, Part]) -> None:
    """It may raise the profile and allow beyond it, up to what the file's denials leave of an administrator's."""
    document, role = pair
    everything = {"statements": {"allow": list(STATEMENT_TYPES)}, "tools": {"allow": sorted(TOOLS)}}
    most = granted(load({**document, "profile": "admin", **_merged(document, everything)}))
    assert granted(with_role(document, role)) <= most


def _merged(document: Part, allowed: Part) -> Part:
    return {key: {**document.get(key, {}), **value} for key, value in allowed.items()}


@given(masks, masks)
@settings(max_examples=80, deadline=None)
def test_a_role_never_shows_more_of_a_masked_column(file: list[Part], role: list[Part]) -> None:
    """Nor permits more of its uses."""
    alone = rule_for(load({"masks": file}).objects.masks, "app", "orders", "email")
    together = rule_for(with_role({"masks": file}, {"masks": role}).objects.masks, "app", "orders", "email")
    if alone is not None:
        assert together is not None
        assert stricter(alone.mask, together.mask) == together.mask
        assert together.permit <= alone.permit


@given(st.data())
def test_stricter_does_not_depend_on_the_order(data: st.DataObject) -> None:
    """And what it returns shows no more than either."""
    kinds: st.SearchStrategy[MaskKind] = st.sampled_from(("clear", "partial", "hash", "redact", "null"))
    small = st.integers(0, 3)
    one, other = (
        Mask(kind, *(data.draw(st.tuples(small, small)) if kind == "partial" else (0, 0)))
        for kind in (data.draw(kinds), data.draw(kinds))
    )
    found = stricter(one, other)
    assert found == stricter(other, one)
    assert stricter(found, one) == stricter(found, other) == found
