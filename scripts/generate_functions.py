"""Write src/pgwarden/guard/builtin.py: which built-in functions a read may call.

    python scripts/generate_functions.py postgresql://postgres@127.0.0.1:5432/postgres ...

Give one server of each supported major version. A name is allowed where every overload in every version given is
immutable or stable, except EXCLUDED, plus REVIEWED. Both lists are the result of reading the functions' documentation
and source; when a new version brings new functions, the difference of the written file is what has to be reviewed.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

import psycopg

from pgwarden.guard.keywords import words

EXCLUDED = re.compile(
    r"""
    .*_to_xml(schema|_and_xmlschema)? |  # run SQL or read relations named in a string
    ts_stat | ts_rewrite |               # run SQL given as text
    pg_input_.* |                        # run any type's input function, domain checks included
    txid_current | pg_current_xact_id |  # assign a transaction id
    pg_config |                          # how the server was built and where it lies
    .*_validator | pg_event_trigger_.* | binary_upgrade_.* |
    satisfies_hash_partition             # opens and locks the relation given by oid
    """,
    re.VERBOSE,
)
"""Immutable or stable, and still not for reads."""

REVIEWED = words("""
    array_sample array_shuffle clock_timestamp current_query gen_random_uuid pg_blocking_pids
    pg_collation_actual_version pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn
    pg_database_collation_actual_version pg_database_size pg_get_sequence_data pg_get_wait_events
    pg_get_wal_replay_pause_state pg_indexes_size pg_is_in_recovery pg_is_wal_replay_paused pg_jit_available
    pg_last_committed_xact pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_lock_status
    pg_notification_queue_usage pg_partition_ancestors pg_partition_tree pg_prepared_xact pg_relation_size
    pg_safe_snapshot_blocking_pids pg_sequence_last_value pg_show_replication_origin_status pg_stat_get_backend_io
    pg_stat_get_backend_wal pg_stat_get_io pg_stat_get_recovery_prefetch pg_stat_get_xact_blocks_fetched
    pg_stat_get_xact_blocks_hit pg_stat_get_xact_function_calls pg_stat_get_xact_function_self_time
    pg_stat_get_xact_function_total_time pg_stat_get_xact_numscans pg_stat_get_xact_tuples_deleted
    pg_stat_get_xact_tuples_fetched pg_stat_get_xact_tuples_hot_updated pg_stat_get_xact_tuples_inserted
    pg_stat_get_xact_tuples_newpage_updated pg_stat_get_xact_tuples_returned pg_stat_get_xact_tuples_updated
    pg_stat_have_stats pg_table_size pg_tablespace_size pg_total_relation_size pg_xact_commit_timestamp
    pg_xact_commit_timestamp_origin pg_xact_status random random_normal timeofday txid_status uuidv4 uuidv7
""")
"""Volatile only because the answer changes with time; they change nothing and wait for nothing."""

FUNCTIONS = """
    SELECT proname,
           bool_and(provolatile <> 'v' AND prokind <> 'p'),
           bool_or(internal),
           bool_or(NOT internal AND pronargs >= 1 AND pronargs - pronargdefaults - (provariadic <> 0)::int <= 1)
    FROM (SELECT *,
                 prorettype IN ('internal'::regtype, 'trigger'::regtype, 'event_trigger'::regtype,
                                'index_am_handler'::regtype, 'table_am_handler'::regtype, 'tsm_handler'::regtype,
                                'fdw_handler'::regtype, 'language_handler'::regtype, 'pg_ddl_command'::regtype)
                 OR proargtypes::oid[] && '{internal,cstring,pg_ddl_command}'::regtype[]::oid[]
                 AS internal
          FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace) p
    GROUP BY 1
"""

TYPES = """
    SELECT typname FROM pg_type
    WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm') AND typname !~ '^_' AND typrelid = 0
"""

TEMPLATE = '''"""Built-in functions, read by scripts/generate_functions.py from PostgreSQL {versions}. Do not edit."""

from __future__ import annotations

from typing import Final

from pgwarden.guard.keywords import words

ALLOWED: Final = words("""
    {allowed}
""")
"""Names of which every overload is harmless in a read, and built-in types, which can be written as calls."""

DENIED: Final = words("""
    {denied}
""")
"""The other built-in functions."""

DENIED_WITH_ONE_ARGUMENT: Final = words("""
    {one}
""")
"""Those that `x.name` calls."""
'''


def main() -> None:
    """Read the servers given and write the module."""
    seen: dict[str, list[tuple[bool, bool, bool]]] = {}
    types: set[str] = set()
    versions: list[int] = []
    for url in sys.argv[1:]:
        with psycopg.connect(url) as connection:
            versions.append(connection.info.server_version // 10000)
            for name, harmless, internal, one in connection.execute(FUNCTIONS):
                seen.setdefault(name, []).append((harmless, internal, one))
            types |= {name for (name,) in connection.execute(TYPES)}
    allowed = {name for name, facts in seen.items() if _is_allowed(name, facts)}
    denied = set(seen) - allowed
    one = {name for name in denied if any(fact[2] for fact in seen[name])}
    text = TEMPLATE.format(
        versions=" and ".join(map(str, sorted(versions))),
        allowed=_wrap(allowed | (types - set(seen))),
        denied=_wrap(denied),
        one=_wrap(one),
    )
    target = Path(__file__).parent.parent / "src" / "pgwarden" / "guard" / "builtin.py"
    target.write_text(text)


def _is_allowed(name: str, facts: list[tuple[bool, bool, bool]]) -> bool:
    if name in REVIEWED:
        return True
    return all(harmless and not internal for harmless, internal, _ in facts) and not EXCLUDED.fullmatch(name)


def _wrap(names: set[str]) -> str:
    return textwrap.fill(" ".join(sorted(names)), 115, subsequent_indent="    ", break_long_words=False).strip()


if __name__ == "__main__":
    main()
