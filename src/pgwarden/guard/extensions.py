"""Extensions whose functions were read and found to do nothing but compute.

An extension that is not listed is judged like the user's own code. Inside a listed one a function is trusted when it is
not volatile and not written in a procedural language (those are where extensions build SQL text at run time).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Trust:
    """What differs from the rule in one extension.

    Attributes:
        but: Names that are refused although they are not declared volatile.
        also: Names that are volatile and yet change nothing outside of their result.
    """

    but: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()


_PLAIN = Trust()

TRUSTED: Mapping[str, Trust] = MappingProxyType(
    {
        "btree_gin": _PLAIN,
        "btree_gist": _PLAIN,
        "citext": _PLAIN,
        "cube": _PLAIN,
        "dict_int": _PLAIN,
        "dict_xsyn": _PLAIN,
        "fuzzystrmatch": _PLAIN,
        "hstore": _PLAIN,
        "intagg": _PLAIN,
        "intarray": _PLAIN,
        # isn_weak() switches how the whole session reads numbers; some versions call it immutable.
        "isn": Trust(but=frozenset({"isn_weak"})),
        "ltree": _PLAIN,
        # The view over the statistics is the reason to install it; the reset stays refused.
        "pg_stat_statements": Trust(also=frozenset({"pg_stat_statements", "pg_stat_statements_info"})),
        "pg_trgm": _PLAIN,
        "pgcrypto": Trust(
            also=frozenset(
                {
                    "gen_random_bytes",
                    "gen_random_uuid",
                    "gen_salt",
                    "pgp_pub_encrypt",
                    "pgp_pub_encrypt_bytea",
                    "pgp_sym_encrypt",
                    "pgp_sym_encrypt_bytea",
                }
            )
        ),
        # The estimates read statistics of tables that the role may not read.
        "postgis": Trust(but=frozenset({"st_estimatedextent", "st_estimated_extent", "_postgis_stats"})),
        "seg": _PLAIN,
        "tsm_system_rows": Trust(also=frozenset({"system_rows"})),
        "tsm_system_time": Trust(also=frozenset({"system_time"})),
        "unaccent": _PLAIN,
        "uuid-ossp": Trust(also=frozenset({"uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4"})),
        "vector": _PLAIN,
    }
)

_STATIC_LANGUAGES = frozenset({"c", "internal", "sql"})


def is_trusted(extension: str, name: str, volatility: str, language: str) -> bool:
    """Tell whether a function of an extension may run in a read.

    Args:
        extension: The extension that owns the function; empty for none.
        name: The function's name, without its schema.
        volatility: pg_proc.provolatile: "i", "s" or "v".
        language: The name of the function's language.
    """
    trust = TRUSTED.get(extension)
    if trust is None or language not in _STATIC_LANGUAGES or name in trust.but:
        return False
    return volatility != "v" or name in trust.also
