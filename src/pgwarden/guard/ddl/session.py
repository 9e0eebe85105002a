"""SET and RESET, by an allow list of settings.

What names mean (search_path), who somebody is (role), how long a statement may take and what a transaction may do is
decided by the policy and the connection, not by a statement.
"""

from __future__ import annotations

from typing import Final

from pgwarden.guard import keywords
from pgwarden.guard.ddl.definition import Object
from pgwarden.guard.ddl.draft import Draft
from pgwarden.guard.ddl.reader import Reader
from pgwarden.guard.parsed import Name, Refused

ALLOWED: Final = keywords.words("""
    application_name bytea_output client_min_messages constraint_exclusion cpu_index_tuple_cost cpu_operator_cost
    cpu_tuple_cost cursor_tuple_fraction datestyle default_statistics_target effective_cache_size
    effective_io_concurrency enable_async_append enable_bitmapscan enable_distinct_reordering enable_gathermerge
    enable_group_by_reordering enable_hashagg enable_hashjoin enable_incremental_sort enable_indexonlyscan
    enable_indexscan enable_material enable_memoize enable_mergejoin enable_nestloop enable_parallel_append
    enable_parallel_hash enable_partition_pruning enable_partitionwise_aggregate enable_partitionwise_join
    enable_presorted_aggregate enable_self_join_elimination enable_seqscan enable_sort enable_tidscan
    extra_float_digits from_collapse_limit geqo geqo_threshold hash_mem_multiplier intervalstyle jit jit_above_cost
    jit_inline_above_cost jit_optimize_above_cost join_collapse_limit lc_monetary lc_numeric lc_time
    maintenance_io_concurrency maintenance_work_mem max_parallel_maintenance_workers max_parallel_workers_per_gather
    min_parallel_index_scan_size min_parallel_table_scan_size parallel_leader_participation parallel_setup_cost
    parallel_tuple_cost plan_cache_mode random_page_cost recursive_worktable_factor seq_page_cost timezone work_mem
    xmlbinary xmloption""")
"""Settings that change how a query is planned or shown, and nothing else."""

NOTE: Final = (
    "The setting lasts as long as its transaction: every call runs in one of its own, "
    "and the session is reset after it."
)
_NEVER: Final = ("role", "session authorization", "transaction", "constraints", "session characteristics", "local role")
_LIBRARIES: Final = ("_preload_libraries", "library_path", "extension_control_path")
_IDENTITY: Final = ("session_replication_role", "role", "session_authorization")


def set_value(reader: Reader, draft: Draft) -> None:
    """Read SET [SESSION | LOCAL] behind SET.

    Raises:
        Refused: `setting_not_allowed` or `never_allowed`.
    """
    if reader.sees("session") and reader.word(1) not in ("authorization", "characteristics"):
        reader.take("session")
    else:
        reader.take("local")
    _refuse_commands(reader)
    _take_setting(reader, draft)
    if not reader.take_mark("="):
        reader.expect("to")
    _values(reader)


def reset(reader: Reader, draft: Draft) -> None:
    """Read RESET behind this word."""
    _refuse_commands(reader)
    if reader.take("all"):
        raise _not_allowed("RESET ALL would undo the limits of the connection.")
    _take_setting(reader, draft)


def setting_of_others(reader: Reader) -> None:
    """Read SET name ... or RESET name of ALTER ROLE, DATABASE or FUNCTION: what it does when somebody else connects."""
    if reader.expect("set", "reset") == "reset":
        if not reader.take("all"):
            _check_library(reader.name(function=True))
        return
    if reader.take("time zone"):
        _values(reader)
        return
    _check_library(reader.name(function=True))
    if reader.take("from current"):
        return
    if not reader.take_mark("="):
        reader.expect("to")
    _values(reader)


def _check_library(name: Name) -> None:
    # PostgreSQL compares names of settings without regard to case, also in quotes.
    setting = name.name.lower()
    if setting.endswith(_LIBRARIES) or setting in _IDENTITY:
        raise Refused("never_allowed", f"{name} is not set for others here, whatever the profile.", "Use psql.")


def _take_setting(reader: Reader, draft: Draft) -> None:
    draft.classify("session")
    name = reader.name(function=True)
    # PostgreSQL compares names of settings without regard to case, also in quotes.
    if name.schema or name.name.lower() not in ALLOWED:
        raise _not_allowed(f"The setting {name} is not one that a statement may change.")
    draft.target(Object("setting", Name("", name.name.lower())))
    draft.note = NOTE


def _not_allowed(message: str) -> Refused:
    return Refused(
        "setting_not_allowed",
        message,
        "Settings of planning and display may be set. Limits are arguments of the tool; instead of search_path, "
        "write schema.name; a lasting setting belongs to the role (ALTER ROLE ... SET).",
    )


def _refuse_commands(reader: Reader) -> None:
    if reader.take("time zone"):
        raise _not_allowed("SET TIME ZONE is not accepted; write SET timezone = '...'.")
    for phrase in _NEVER:
        if reader.sees(phrase) and reader.mark(len(phrase.split())) != "=":
            raise Refused(
                "never_allowed",
                f"SET {phrase.upper()} is not accepted, whatever the profile.",
                "Who a connection is and what its transaction may do is decided by the policy.",
            )


def _values(reader: Reader) -> None:
    for _ in reader.items():
        if reader.take_number():
            continue
        if reader.is_string():
            reader.string()
        elif not reader.take("on", "true", "false", "default", "local"):
            reader.identifier(function=True)
