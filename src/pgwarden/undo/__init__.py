"""Rows as they were before changes, and after: kept in files of the state directory, so that changes can be undone."""

from pgwarden.undo.entry import Entry, Image, Member
from pgwarden.undo.journal import Journal, JournalError

__all__ = ["Entry", "Image", "Journal", "JournalError", "Member"]
