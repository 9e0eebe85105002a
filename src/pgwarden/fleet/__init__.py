"""The connections of one session, and which of them is current."""

from pgwarden.fleet.fleet import Fleet

__all__ = ["Fleet"]
