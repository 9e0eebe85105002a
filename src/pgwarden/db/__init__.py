"""Reading PostgreSQL. The only package that imports psycopg; the server imports it when a call first needs it."""

from pgwarden.db.database import Database
from pgwarden.db.roles import RoleReport
from pgwarden.db.routing import TargetStatus

__all__ = ["Database", "RoleReport", "TargetStatus"]
