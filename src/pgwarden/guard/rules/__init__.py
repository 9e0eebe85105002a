"""The guard's rules: what a statement must not contain. One rule a file; the tuples have them in order."""

from __future__ import annotations

from pgwarden.guard.rules import (
    attributes,
    data_modifying,
    into,
    operator_schema,
    repetition,
    row_lock,
    runaway,
    sampling,
    system_relations,
    treat,
    tree_calls,
    tree_changes,
    tree_nodes,
    tree_relations,
    tree_root,
)

TOKEN_RULES = (
    data_modifying.check,
    into.check,
    row_lock.check,
    treat.check,
    operator_schema.check,
    sampling.check,
    system_relations.check,
    attributes.check,
    repetition.check,
    runaway.check,
)
DEFINITION_RULES = (treat.check, system_relations.check, attributes.check)
"""What holds for definitions too. Their expressions and queries, which a grammar of their own finds, pass all rules."""
TREE_RULES = (tree_root.check, tree_nodes.check, tree_calls.check, tree_relations.check, tree_changes.check)
