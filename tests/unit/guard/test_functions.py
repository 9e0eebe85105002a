"""The list of functions that reads may call."""

from __future__ import annotations

import pytest

from pgwarden.guard import builtin, functions, judge, relations
from pgwarden.guard.keywords import words
from pgwarden.guard.parsed import Name


@pytest.mark.parametrize(
    "name",
    sorted(
        words("""
        pg_read_file pg_read_binary_file pg_ls_dir pg_stat_file pg_current_logfile pg_hba_file_rules lo_import
        lo_export lo_get lo_create loread lowrite pg_sleep pg_sleep_for set_config setseed nextval setval
        pg_notify pg_advisory_lock pg_try_advisory_lock pg_terminate_backend pg_cancel_backend pg_reload_conf
        pg_rotate_logfile pg_switch_wal pg_promote pg_create_restore_point pg_logical_emit_message
        pg_export_snapshot pg_create_logical_replication_slot pg_drop_replication_slot query_to_xml table_to_xml
        schema_to_xml database_to_xml cursor_to_xml ts_stat ts_rewrite pg_input_is_valid pg_input_error_info
        txid_current pg_current_xact_id pg_stat_reset pg_restore_relation_stats pg_show_all_file_settings
        pg_ident_file_mappings pg_config pg_get_backend_memory_contexts amvalidate pg_import_system_collations
        brin_summarize_new_values gin_clean_pending_list pg_extension_config_dump
    """)
    ),
)
def test_denied(name: str) -> None:
    """Functions that write, wait, run SQL text, read files or reach other sessions are denied, qualified or not."""
    assert not functions.is_allowed(Name("", name))
    assert functions.is_denied(Name("pg_catalog", name)), "unknown instead of denied"
    assert judge(f"SELECT pg_catalog.{name}()", None).code in ("function_not_allowed", "relation_not_allowed")


@pytest.mark.parametrize(
    "name",
    sorted(
        words("""
        abs now count sum percentile_cont row_number lag generate_series unnest jsonb_path_query to_char
        date_trunc regexp_replace string_agg format current_setting has_table_privilege pg_get_viewdef
        pg_size_pretty pg_total_relation_size random gen_random_uuid clock_timestamp pg_blocking_pids
        to_tsvector ts_rank md5 sha256 left right text int4 numeric uuid json_table substring pg_backend_pid
        version inet_server_addr
    """)
    ),
)
def test_allowed(name: str) -> None:
    """Functions of ordinary analytics and of a look at the server are allowed."""
    assert functions.is_allowed(Name("", name))
    assert not functions.is_allowed(Name("public", name))


def test_lists_do_not_overlap() -> None:
    """A name is allowed or denied; what `x.name` may not call is denied."""
    assert not builtin.ALLOWED & builtin.DENIED
    assert builtin.DENIED_WITH_ONE_ARGUMENT <= builtin.DENIED
    assert {"pg_read_file", "pg_sleep", "nextval", "lo_unlink"} <= functions.DENIED_ATTRIBUTES


@pytest.mark.parametrize("name", sorted(relations.DENIED))
def test_denied_relations(name: str) -> None:
    """Relations with secrets or server files are refused, qualified or not, in every place of a query."""
    for sql in (f"SELECT * FROM {name}", f"TABLE pg_catalog.{name}", f'SELECT "{name}".* FROM t, "{name}"'):
        assert judge(sql, None).code == "relation_not_allowed"


def test_names_of_signatures() -> None:
    """A policy names functions by signature, with or without a schema."""
    listed = {"pg_sleep(double precision)", 'app."Total"(integer)', "pg_catalog.setseed(double precision)"}
    assert functions.names_of(frozenset(listed)) == {"pg_sleep", "Total", "setseed"}
