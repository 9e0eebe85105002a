"""Statements that define, grant, set or maintain: everything but queries and changes of rows.

A grammar of our own over the lexer's tokens, strict and closed: a command that is not in the table of `commands` is
refused, and so is every clause that its grammar does not name. Expressions in a definition (defaults, checks, index
expressions) are judged as queries are; the query of a view or of CREATE TABLE AS is handed back to the guard.
"""

from __future__ import annotations

from pgwarden.guard.ddl.commands import read
from pgwarden.guard.ddl.definition import Definition, Object, Reference

__all__ = ["Definition", "Object", "Reference", "read"]
