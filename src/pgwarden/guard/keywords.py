"""PostgreSQL's key words by what they can still mean (pg_get_keywords), over the supported versions."""

from __future__ import annotations

from typing import Final


def words(text: str) -> frozenset[str]:
    """Return the set of the words of a text."""
    return frozenset(text.split())


RESERVED: Final = words("""
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
    current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc
    distinct do else end except false fetch for foreign from grant group having in initially intersect into lateral
    leading limit localtime localtimestamp not null offset on only or order placing primary references returning
    select session_user some symmetric table then to trailing true union unique user using variadic when where window
    with""")
"""Never a name, except after AS or a dot. (SYSTEM_USER is reserved since 16 and so is not here.)"""

NAMES_FUNCTION: Final = words("""
    authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull join left
    like natural notnull outer overlaps right similar tablesample verbose""")
"""Can name a function or a type, not a column or a table."""

ENDS_TYPE: Final = words("precision varying with without time zone")
"""Words that can follow the first one of a type's name."""

SYNTAX_CALLS: Final = words("""
    between bigint bit boolean char character coalesce dec decimal exists extract float greatest grouping inout int
    integer interval least national nchar none normalize nullif numeric out overlay position precision real row setof
    smallint substring time timestamp treat trim values varchar xmlattributes xmlconcat xmlelement xmlexists xmlforest
    xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable""")
"""Can name a column or a table, never a function: with a parenthesis they are syntax or a type."""

NEWER_SYNTAX_CALLS: Final = words("""
    json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize
    json_table json_value merge_action""")
"""The same since 16 or 17; before, they are ordinary names of functions."""

UNRESERVED_SYNTAX: Final = words("""
    at by columns content cube current day depth document double empty error escape exclude filter first following
    groups hour insert keep last local materialized matched minute month nested next nulls object omit ordinality
    others over partition passing path preceding quotes range recursive repeatable rollup row rows scalar search second
    session sets show system ties time unbounded unknown update value varying within without wrapper year zone
    delete merge set absent conditional unconditional keys cycle breadth no standalone strip whitespace
    normalized nfc nfd nfkc nfkd operator key share skip locked nowait explain""")
"""Words that mean something in a query and can be names as well."""

CALLED_BY_SYNTAX: Final = words("""
    timezone extract date_part position overlay substring btrim ltrim rtrim overlaps like_escape similar_escape
    similar_to_escape normalize is_normalized pg_collation_for xmlexists""")
"""Functions of pg_catalog that are called without their names: `AT TIME ZONE`, `EXTRACT(... FROM x)`, `TRIM(x)`."""
