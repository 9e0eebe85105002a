"""Who may do what. Pure: the decision is a function of the policy and the declared tool or the statement's kinds."""

from pgwarden.policy.decide import Decision, decide_kinds, decide_tool
from pgwarden.policy.load import load
from pgwarden.policy.model import Policy

__all__ = ["Decision", "Policy", "decide_kinds", "decide_tool", "load"]
