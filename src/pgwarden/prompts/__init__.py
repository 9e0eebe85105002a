"""Prompts that clients offer to people: `PROMPTS` is the single source of truth about them.

A new prompt is one file and one entry.
"""

from __future__ import annotations

from pgwarden.prompts.diagnose_slow_query import DIAGNOSE_SLOW_QUERY
from pgwarden.prompts.explore_database import EXPLORE_DATABASE
from pgwarden.prompts.safe_migration import SAFE_MIGRATION
from pgwarden.prompts.spec import PromptSpec

__all__ = ["PROMPTS", "PromptSpec"]

PROMPTS = (EXPLORE_DATABASE, DIAGNOSE_SLOW_QUERY, SAFE_MIGRATION)
