"""Built-in relations that no read may name, whatever the role of the connection could see."""

from __future__ import annotations

from typing import Final

from pgwarden.guard.keywords import words
from pgwarden.guard.parsed import Name

SECRETS: Final = words("""
    pg_authid pg_shadow pg_user_mapping pg_user_mappings user_mapping_options _pg_user_mappings pg_subscription
    pg_largeobject""")
"""Password hashes, passwords of foreign servers and subscriptions, and content that has no table rules.

`user_mapping_options` and `_pg_user_mappings` are of the information schema. pg_statistic stays readable: PostgreSQL
shows it to superusers only, and its values are those of tables, which masks treat as columns of a system table.
"""

FILES: Final = words("pg_file_settings pg_hba_file_rules pg_ident_file_mappings pg_config pg_backend_memory_contexts")
"""Views over functions that read the server's files or memory."""

DENIED: Final = SECRETS | FILES


def is_denied(name: Name) -> bool:
    """Tell whether a name, qualified or not, can mean one of them."""
    return name.name in DENIED
