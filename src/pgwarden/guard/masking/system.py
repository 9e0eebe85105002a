"""System catalogs and functions as ways around masks and hidden objects.

Statistics hold values of columns. Where objects are hidden every catalog could name them, and so could whatever turns a
name into an object or tells whether there is one: then a few harmless relations are left, and the tools for the schema.
"""

from __future__ import annotations

from typing import Final

from pgwarden.guard.catalog import Catalog
from pgwarden.guard.keywords import NAMES_FUNCTION, UNRESERVED_SYNTAX, words
from pgwarden.guard.parsed import Name, Refused, Source
from pgwarden.guard.shields import Shields

STATISTICS: Final = words("""
    pg_stats pg_statistic pg_stats_ext pg_stats_ext_exprs pg_statistic_ext_data""")
"""Relations that show values of columns: most common ones, bounds of histograms."""
HARMLESS: Final = words("""
    pg_settings pg_timezone_names pg_timezone_abbrevs pg_available_extensions pg_available_extension_versions
    pg_language pg_am pg_collation""")
"""Relations of pg_catalog that can be read although objects are hidden."""
DATABASES: Final = words("""
    pg_database pg_stat_database pg_stat_database_conflicts pg_stat_activity pg_locks pg_db_role_setting
    pg_replication_slots pg_shdepend pg_shdescription pg_shseclabel pg_prepared_xacts pg_stat_progress_analyze
    pg_stat_progress_vacuum pg_stat_progress_cluster pg_stat_progress_create_index pg_stat_progress_copy
    pg_stat_progress_basebackup pg_stat_statements""")
"""Relations that name databases."""
_SYSTEM_SCHEMAS: Final = frozenset({"pg_catalog", "information_schema", "pg_toast"})
_NAMING_TYPES: Final = words("""
    regclass regtype regproc regprocedure regnamespace regrole regoper regoperator regconfig regdictionary
    regcollation regdatabase""")
_NAMING_CALLS: Final = words("""
    to_regclass to_regtype to_regproc to_regprocedure to_regnamespace to_regrole to_regoper to_regoperator
    to_regcollation to_regtypemod obj_description col_description shobj_description format_type pg_typeof
    pg_describe_object pg_identify_object pg_identify_object_as_address pg_get_object_address
    pg_table_is_visible pg_type_is_visible pg_function_is_visible pg_relation_is_publishable pg_column_is_updatable
    pg_sequence_parameters pg_sequence_last_value pg_filenode_relation pg_index_column_has_property
    pg_index_has_property pg_partition_root pg_partition_tree pg_partition_ancestors pg_my_temp_schema
    row_security_active currval lastval nextval setval""")
_NAMING_STARTS: Final = (
    "has_",
    "pg_get_",
    "pg_stat_get_",
    "pg_relation_",
    "pg_total_relation_",
    "pg_table_",
    "pg_indexes_",
    "pg_database_",
    "pg_tablespace_",
    "pg_lock_status",
)


def check(source: Source, shields: Shields, catalog: Catalog | None) -> None:
    """Refuse the ways around that a statement takes.

    Raises:
        Refused: `relation_not_allowed` or `function_not_allowed`.
    """
    for name in source.names.relations.values():
        _check_relation((catalog.resolve(name) if catalog else None) or name, shields)
    if shields.hides or shields.hides_databases:
        for name in source.names.calls.values():
            _check_call(name)
        _check_types(source, catalog)


def _check_relation(name: Name, shields: Shields) -> None:
    if name in shields.windows:
        raise Refused("relation_not_allowed", f"{name} reads system catalogs that could show what the policy hides.")
    if name.name in STATISTICS:
        raise Refused(
            "relation_not_allowed",
            f"{name.name} shows values of columns, and the policy masks or hides some.",
            "Aggregate over the table itself.",
        )
    if name.schema == "pg_toast" or name.name.startswith("pg_toast_"):
        raise Refused("relation_not_allowed", "TOAST tables hold values of columns; the policy masks or hides some.")
    if shields.hides_databases and name.name in DATABASES:
        raise Refused("relation_not_allowed", f"{name} could show databases that the policy hides.")
    if shields.hides and _is_system(name) and not (name.name in HARMLESS and name.schema in ("", "pg_catalog")):
        raise Refused(
            "relation_not_allowed",
            f"{name} could show what the policy hides.",
            "Use the tools for the schema, such as list_tables and describe_table.",
        )


def _is_system(name: Name) -> bool:
    return name.schema in _SYSTEM_SCHEMAS or (not name.schema and name.name.startswith("pg_"))


def _check_call(name: Name) -> None:
    if name.name in _NAMING_CALLS | _NAMING_TYPES or name.name.startswith(_NAMING_STARTS):
        raise Refused(
            "function_not_allowed",
            f"{name.name}() could tell what the policy hides.",
            "Use the tools for the schema, such as list_tables and describe_table.",
        )


def _check_types(source: Source, catalog: Catalog | None) -> None:
    """Refuse types that look objects up by name, and types that are not known not to be rows of a relation."""
    from pgwarden.guard import types

    named = types.named(source.stream, source.names.types, source.names.calls)
    for name in named:
        element = name.name.lstrip("_")
        if not name.schema and name.name in _NO_TYPES:
            continue
        if element in _NAMING_TYPES or not _is_plain(name, element, catalog):
            raise Refused(
                "type_not_allowed",
                f"The type {name} could tell what the policy hides.",
                "Cast to built-in types, domains and enums only.",
            )


def _is_plain(name: Name, element: str, catalog: Catalog | None) -> bool:
    if catalog is None:
        return False
    if name.schema in ("", "pg_catalog") and element in _BUILTIN_TYPES:
        return True
    return any(next(catalog.types_named(each), None) for each in (name, Name(name.schema, element)))


_NO_TYPES: Final = NAMES_FUNCTION | UNRESERVED_SYNTAX
"""Words that stand before a string without being its type: `LIKE 'x'`, `ESCAPE '!'`, `AT TIME ZONE 'UTC'`."""
_BUILTIN_TYPES: Final = words("""
    bool boolean int2 int4 int8 int integer smallint bigint float4 float8 real numeric decimal money text varchar bpchar
    char character name bytea uuid date time timetz timestamp timestamptz interval json jsonb jsonpath xml inet cidr
    macaddr macaddr8 bit varbit point line lseg box circle tsvector tsquery oid xid xid8 cid tid pg_lsn int4range
    int8range numrange tsrange tstzrange daterange int4multirange int8multirange nummultirange tsmultirange
    tstzmultirange datemultirange record unknown void refcursor txid_snapshot pg_snapshot double float dec nchar""")
