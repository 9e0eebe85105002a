"""Statements that change rows: INSERT, UPDATE, DELETE, MERGE, and queries with those in their WITH list."""

from __future__ import annotations

from pgwarden.guard.dml.effect import Effect, of
from pgwarden.guard.dml.layout import find
from pgwarden.guard.dml.parts import Layout

__all__ = ["Effect", "Layout", "find", "of"]
