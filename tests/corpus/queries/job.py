"""113 joins over a film database: the families and join graphs of the Join Order Benchmark, with conditions of our own.

A family is the set of its tables; two tables that belong together are joined wherever both are in it. A variant takes
the next condition of every filtered table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

TABLES: Final = {
    "t": "title",
    "t2": "title",
    "at": "aka_title",
    "kt": "kind_type",
    "kt2": "kind_type",
    "mc": "movie_companies",
    "mc2": "movie_companies",
    "cn": "company_name",
    "cn2": "company_name",
    "ct": "company_type",
    "mi": "movie_info",
    "mi_idx": "movie_info_idx",
    "mi_idx2": "movie_info_idx",
    "it1": "info_type",
    "it2": "info_type",
    "it3": "info_type",
    "mk": "movie_keyword",
    "k": "keyword",
    "ml": "movie_link",
    "lt": "link_type",
    "ci": "cast_info",
    "n": "name",
    "an": "aka_name",
    "chn": "char_name",
    "rt": "role_type",
    "pi": "person_info",
    "cc": "complete_cast",
    "cct1": "comp_cast_type",
    "cct2": "comp_cast_type",
}
LINKS: Final = (
    *("mc.movie_id = t.id", "mi.movie_id = t.id", "mi_idx.movie_id = t.id", "mk.movie_id = t.id", "ci.movie_id = t.id"),
    *("ml.movie_id = t.id", "cc.movie_id = t.id", "at.movie_id = t.id", "kt.id = t.kind_id", "cn.id = mc.company_id"),
    *(
        "ct.id = mc.company_type_id",
        "it1.id = mi.info_type_id",
        "it2.id = mi_idx.info_type_id",
        "it3.id = pi.info_type_id",
    ),
    *(
        "k.id = mk.keyword_id",
        "lt.id = ml.link_type_id",
        "t2.id = ml.linked_movie_id",
        "n.id = ci.person_id",
        "an.person_id = n.id",
    ),
    *(
        "chn.id = ci.person_role_id",
        "rt.id = ci.role_id",
        "pi.person_id = n.id",
        "cct1.id = cc.subject_id",
        "cct2.id = cc.status_id",
    ),
    *(
        "mc2.movie_id = t2.id",
        "mi_idx2.movie_id = t2.id",
        "kt2.id = t2.kind_id",
        "cn2.id = mc2.company_id",
        "mc.movie_id = mi.movie_id",
    ),
    *(
        "mk.movie_id = ci.movie_id",
        "mi.movie_id = mi_idx.movie_id",
        "mi_idx2.movie_id = ml.linked_movie_id",
        "an.person_id = pi.person_id",
    ),
)
CONDITIONS: Final[dict[str, tuple[str, ...]]] = {
    "t": (
        "t.production_year BETWEEN 1998 AND 2007",
        "t.production_year > 2004 AND (t.title LIKE '%Storm%' OR t.title LIKE 'River%')",
        "t.production_year < 1987",
        "t.episode_nr >= 40 AND t.episode_nr < 120",
        "(t.title <> '' AND t.title ~ '^[A-M]') AND t.production_year >= 1975",
        "t.production_year IN (1999, 2001, 2003)",
    ),
    "t2": ("t2.production_year BETWEEN 2003 AND 2009", "t2.production_year = 2006", "t2.production_year >= 1999"),
    "kt": ("kt.kind IN ('movie', 'episode')", "kt.kind = 'tv movie'", "kt.kind <> 'video game'"),
    "kt2": ("kt2.kind = 'tv series'", "kt2.kind IN ('tv series', 'episode')"),
    "mc": (
        "mc.note NOT LIKE '%(as a Silver Screen%' AND (mc.note LIKE '%(export)%' OR mc.note LIKE '%(joint)%')",
        "mc.note IS NULL",
        "mc.note ~ '\\((19|20)\\d\\d\\)'",
        "mc.note LIKE '%(theatrical)%' AND mc.note LIKE '%(Spain)%'",
    ),
    "cn": (
        "cn.country_code = '[fr]'",
        "cn.country_code <> '[it]' AND (cn.name LIKE '%Studio%' OR cn.name LIKE 'Northern%')",
        "cn.country_code IN ('[nl]', '[be]', '[lu]')",
        "cn.name LIKE 'Lion%'",
    ),
    "cn2": ("cn2.country_code <> '[us]'", "cn2.country_code = '[gb]'"),
    "ct": ("ct.kind = 'distributors'", "ct.kind IS NOT NULL AND ct.kind <> 'special effects companies'"),
    "mi": (
        "mi.info IN ('Norway', 'Finland', 'Dutch', 'Belgium')",
        "mi.info LIKE 'Japan:%201%' OR mi.info LIKE 'Korea:%200%'",
        "mi.note LIKE '%festival%' AND mi.info IS NOT NULL",
        "mi.info = 'Documentary'",
    ),
    "mi_idx": ("mi_idx.info > '6.5'", "mi_idx.info < '4.0'", "mi_idx.info BETWEEN '2.0' AND '8.0'"),
    "mi_idx2": ("mi_idx2.info < '3.5'", "mi_idx2.info < '5.5'"),
    "it1": ("it1.info = 'countries'", "it1.info IN ('genres', 'languages')", "it1.info = 'release dates'"),
    "it2": ("it2.info = 'votes'", "it2.info = 'rating'", "it2.info = 'bottom 10 rank'"),
    "it3": ("it3.info = 'trivia'", "it3.info = 'birth notes'"),
    "k": (
        "k.keyword = 'based-on-play'",
        "k.keyword IN ('heist', 'revenge', 'double-cross', 'train')",
        "k.keyword LIKE '%sequel%'",
        "k.keyword IS NOT NULL AND length(k.keyword) > 3",
    ),
    "lt": ("lt.link LIKE '%follow%'", "lt.link IN ('remake of', 'version of')", "lt.link = 'features'"),
    "ci": (
        "ci.note IN ('(voice)', '(voice: French version)', '(uncredited)')",
        "ci.note LIKE '%(producer)%'",
        "ci.note IS NULL OR ci.nr_order < 5",
    ),
    "n": (
        "n.gender = 'f' AND n.name LIKE '%An%'",
        "n.gender = 'm' AND n.name_pcode_cf BETWEEN 'B' AND 'K'",
        "n.name LIKE 'Z%'",
        "(n.gender = 'm' OR (n.gender = 'f' AND n.name LIKE 'L%'))",
    ),
    "an": ("an.name LIKE '%o%'", "an.name IS NOT NULL AND an.name > 'C'", "an.name ILIKE 'mar%'"),
    "chn": ("chn.name = 'King'", "chn.name LIKE '%Doctor%' OR chn.name LIKE '%Captain%'", "chn.name IS NOT NULL"),
    "rt": ("rt.role = 'actress'", "rt.role IN ('director', 'writer')", "rt.role = 'guest'"),
    "pi": ("pi.note = 'Archive'", "pi.info LIKE '%theatre%'", "pi.note IS NOT NULL"),
    "cct1": ("cct1.kind = 'crew'", "cct1.kind IN ('cast', 'crew')"),
    "cct2": ("cct2.kind = 'complete+verified'", "cct2.kind LIKE '%complete%'", "cct2.kind <> 'complete'"),
}
FAMILIES: Final = (
    (4, "t mc ct mi_idx it2"),
    (4, "t mc cn mk k"),
    (3, "t mi mk k"),
    (3, "t mi_idx it2 mk k"),
    (3, "t mc ct mi it1"),
    (6, "t mk k ci n"),
    (3, "t ml lt ci n an pi it3"),
    (4, "t mc cn ci n an rt"),
    (4, "t mc cn ci n an rt chn"),
    (3, "t mc cn ct ci chn rt"),
    (4, "t mc cn ct ml lt mk k"),
    (3, "t mc cn ct mi it1 mi_idx it2"),
    (4, "t kt mc cn ct mi it1 mi_idx it2"),
    (3, "t kt mi it1 mi_idx it2 mk k"),
    (4, "t at mc cn ct mi it1 mk k"),
    (4, "t mc cn ci n an mk k"),
    (6, "t mc cn ci n mk k"),
    (3, "t mi it1 mi_idx it2 ci n"),
    (4, "t mc cn mi it1 ci n an chn rt"),
    (3, "t kt ci n chn cc cct1 cct2 mk k"),
    (3, "t mc cn ct ml lt mi mk k"),
    (4, "t kt mc cn ct mi it1 mi_idx it2 mk k"),
    (3, "t kt mc cn ct mi it1 cc cct1 mk k"),
    (2, "t mc cn mi it1 ci n an chn rt mk k"),
    (3, "t mi it1 mi_idx it2 ci n mk k"),
    (3, "t kt mi_idx it2 ci n chn cc cct1 cct2 mk k"),
    (3, "t mc cn ct ml lt mi cc cct1 cct2 mk k"),
    (3, "t kt mc cn ct mi it1 mi_idx it2 cc cct1 cct2 mk k"),
    (3, "t mc cn mi it1 ci n an chn rt pi it3 cc cct1 cct2 mk k"),
    (3, "t mi it1 mi_idx it2 ci n cc cct1 cct2 mk k"),
    (3, "t mc cn mi it1 mi_idx it2 ci n mk k"),
    (2, "t t2 ml lt mk k"),
    (3, "t t2 kt kt2 ml lt mc cn mc2 cn2 mi_idx it2 mi_idx2"),
)
OUTPUTS: Final = {
    "cn": "cn.name",
    "mi": "mi.info",
    "mi_idx": "mi_idx.info",
    "n": "n.name",
    "chn": "chn.name",
    "lt": "lt.link",
    "k": "k.keyword",
    "an": "an.name",
    "t2": "t2.title",
    "cn2": "cn2.name",
}


def queries() -> Iterator[tuple[str, str]]:
    """Yield the queries: a name such as j17c, and its SQL."""
    for number, (variants, aliases) in enumerate(FAMILIES, 1):
        for variant in range(variants):
            yield f"j{number:02}{'abcdef'[variant]}", _query(aliases.split(), number, variant)


def _query(aliases: list[str], number: int, variant: int) -> str:
    shown = [f"min({OUTPUTS[alias]}) AS first_{alias}" for alias in aliases if alias in OUTPUTS]
    tables = [f"{TABLES[alias]} AS {alias}" for alias in aliases]
    links = [link for link in LINKS if {side.split(".")[0] for side in link.split(" = ")} <= set(aliases)]
    conditions = [
        f"({pool[(number + position + variant) % len(pool)]})"
        for position, alias in enumerate(aliases)
        if (pool := CONDITIONS.get(alias)) and (number + position) % 4
    ]
    return (
        f"SELECT {', '.join([*shown[:3], 'min(t.title) AS film'])}\n"
        f"FROM {', '.join(tables)}\nWHERE {chr(10).join(f'  AND {part}' for part in links + conditions)[6:]}"
    )
