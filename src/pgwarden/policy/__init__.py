"""Who may do what. Pure: the decision is a function of the policy and the declared tool or the statement's effects."""

from pgwarden.policy.decide import Decision, decide_elevated, decide_kinds, decide_statement, decide_tool, decide_type
from pgwarden.policy.load import Loaded, load, load_all
from pgwarden.policy.model import Policy
from pgwarden.policy.objects import hides_database, hides_schema, hides_table

__all__ = [
    "Decision",
    "Loaded",
    "Policy",
    "decide_elevated",
    "decide_kinds",
    "decide_statement",
    "decide_tool",
    "decide_type",
    "hides_database",
    "hides_schema",
    "hides_table",
    "load",
    "load_all",
]
