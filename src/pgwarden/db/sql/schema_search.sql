-- Finding objects by words, and ways between tables.

-- name: search_objects
-- kind, object (quoted), detail, comment, score. A name equal to %(query)s scores 100, then come names that start with
-- it, contain it, contain all its words together with their table and schema, contain all its words alone, comments that
-- contain all its words, and names that share trigrams with it. Partitions are found by their whole name only.
with names as (
    select 'pg_class'::regclass::oid as classoid, c.oid as objoid, 0 as objsubid, n.nspname, c.relname::text as name,
           n.nspname::text as home,
           case c.relkind when 'r' then 'table' when 'p' then 'table' when 'v' then 'view' when 'S' then 'sequence'
                          when 'm' then 'materialized view' when 'f' then 'foreign table' else 'index' end as kind
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I')
      and (not c.relispartition or lower(c.relname) = %(query)s::text)
    union all
    select 'pg_proc'::regclass, p.oid, 0, n.nspname, p.proname::text, n.nspname::text, 'function'
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    union all
    select 'pg_type'::regclass, t.oid, 0, n.nspname, t.typname::text, n.nspname::text, 'type'
    from pg_catalog.pg_type t
    join pg_catalog.pg_namespace n on n.oid = t.typnamespace
    left join pg_catalog.pg_class c on c.oid = t.typrelid
    where t.typtype in ('e', 'd', 'r') or c.relkind = 'c'
    union all
    select 'pg_namespace'::regclass, oid, 0, nspname, nspname::text, '', 'schema' from pg_catalog.pg_namespace
    union all
    select 'pg_class'::regclass, a.attrelid, a.attnum::int, n.nspname, a.attname::text, n.nspname || ' ' || c.relname, 'column'
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where a.attnum > 0 and not a.attisdropped
), chosen as materialized (
    select * from names
    where case when %(schema)s::text = '' then nspname !~ '^pg_' and nspname <> 'information_schema'
               else nspname = %(schema)s::name end
), scored as materialized (
    select name, case
        when low = %(query)s::text then 100
        when strpos(low, %(query)s::text) = 1 then 90
        when strpos(low, %(query)s::text) > 0 then 80
        when not exists (select from unnest(%(words)s::text[]) w where strpos(low, w) = 0) then 70
        else (select 60 * common / greatest(1, cardinality(%(grams)s::text[]) + length(low) + 1 - common)
              from (select count(*)::float as common from unnest(%(grams)s::text[]) g
                    where strpos(padded, g) > 0) s)
        end as score
    from (select name, lower(name) as low, '  ' || replace(lower(name), '_', '  ') || ' ' as padded
          from (select distinct name from chosen) d offset 0) n
), described as materialized (
    select classoid, objoid, objsubid, description
    from pg_catalog.pg_description
    where not exists (select from unnest(%(words)s::text[]) w where strpos(lower(description), w) = 0)
), qualified as (
    select classoid, objoid, objsubid
    from chosen
    where cardinality(%(words)s::text[]) > 1
      and exists (select from unnest(%(words)s::text[]) w where strpos(lower(name), w) > 0)
      and not exists (select from unnest(%(words)s::text[]) w where strpos(lower(home || ' ' || name), w) = 0)
), hits as (
    select c.*,
           greatest(s.score, case when q.objoid is not null then 75 when d.objoid is not null then 50 else 0 end) as score
    from chosen c
    join scored s on s.name = c.name
    left join qualified q on q.classoid = c.classoid and q.objoid = c.objoid and q.objsubid = c.objsubid
    left join described d on d.classoid = c.classoid and d.objoid = c.objoid and d.objsubid = c.objsubid
    where s.score >= 18 or q.objoid is not null or d.objoid is not null
    order by score desc, kind = 'index', kind = 'column', length(c.name), c.nspname, c.name, c.objoid
    limit %(limit)s::bigint offset %(offset)s::bigint
)
select h.kind,
       case h.kind
           when 'column' then (select format('%%I.%%I.%%I', h.nspname, c.relname, h.name)
                               from pg_catalog.pg_class c where c.oid = h.objoid)
           when 'schema' then quote_ident(h.name)
           else format('%%I.%%I', h.nspname, h.name) end as object,
       case h.kind
           when 'column' then (select pg_catalog.format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a
                               where a.attrelid = h.objoid and a.attnum = h.objsubid)
           when 'index' then (select 'on ' || format('%%I', c.relname) from pg_catalog.pg_index i
                              join pg_catalog.pg_class c on c.oid = i.indrelid where i.indexrelid = h.objoid)
           when 'function' then '(' || pg_catalog.pg_get_function_identity_arguments(h.objoid) || ')'
       end as detail,
       (select description from pg_catalog.pg_description d
        where d.classoid = h.classoid and d.objoid = h.objoid and d.objsubid = h.objsubid) as comment,
       round(h.score::numeric)::int as score
from hits h
order by h.score desc, h.kind = 'index', h.kind = 'column', length(h.name), h.nspname, h.name, h.objoid

-- name: join_edges
-- JSON: {"ends": [[idx, oid, ref], ...], "edges": [{from, to, name, from_ref, to_ref, from_columns, to_columns}, ...]}: the
-- foreign keys on the shortest ways of at most %(max_hops)s between the two names, each in its own direction. Columns are
-- quoted. Where a name has not one reading, edges is empty.
with recursive wanted as materialized (
    select distinct w.idx, c.oid, format('%%I.%%I', n.nspname, c.relname) as ref
    from unnest(%(idx)s::int[], %(schemas)s::text[], %(names)s::text[]) w (idx, nsp, rel)
    join pg_catalog.pg_class c on c.relname = w.rel::name and c.relkind in ('r', 'p', 'v', 'm', 'f')
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where case when w.nsp is null then pg_catalog.pg_table_is_visible(c.oid) else n.nspname = w.nsp::name end
), ends as materialized (
    select (select min(oid) from wanted where idx = 0) as a, (select min(oid) from wanted where idx = 1) as b
    where (select count(*) from wanted where idx = 0) = 1 and (select count(*) from wanted where idx = 1) = 1
), keys as materialized (
    select k.oid, k.conrelid as a, k.confrelid as b
    from pg_catalog.pg_constraint k
    left join pg_catalog.pg_constraint p on p.oid = k.conparentid
    where k.contype = 'f'
      and (p.oid is null
           -- What partitions have from their parents counts only where a partition itself was named.
           or p.conrelid <> k.conrelid and k.conrelid in (select a from ends union all select b from ends)
           or p.confrelid <> k.confrelid and k.confrelid in (select a from ends union all select b from ends))
), edges as materialized (
    select a, b from keys union select b, a from keys
), ahead (oid, hops) as (
    select a, 0 from ends
    union
    select e.b, f.hops + 1 from ahead f join edges e on e.a = f.oid where f.hops < %(max_hops)s::int - 1
), back (oid, hops) as (
    select b, 0 from ends
    union
    select e.b, f.hops + 1 from back f join edges e on e.a = f.oid where f.hops < %(max_hops)s::int - 1
), near as materialized (
    select oid, min(hops) as hops from ahead group by oid
), far as materialized (
    select oid, min(hops) as hops from back group by oid
), shortest as materialized (
    select min(n.hops + 1) as hops from near n join edges e on e.a = n.oid join ends on ends.b = e.b
), used as (
    select k.*
    from keys k
    cross join shortest s
    left join near near_a on near_a.oid = k.a
    left join near near_b on near_b.oid = k.b
    left join far far_a on far_a.oid = k.a
    left join far far_b on far_b.oid = k.b
    where near_a.hops + 1 + far_b.hops = s.hops or near_b.hops + 1 + far_a.hops = s.hops
)
select json_build_object(
    'ends', (select coalesce(json_agg(json_build_array(idx, oid::bigint, ref) order by idx, ref), '[]') from wanted),
    'edges', (
        select coalesce(json_agg(json_build_object(
            'from', u.a::bigint, 'to', u.b::bigint, 'name', k.conname,
            'from_ref', (select format('%%I.%%I', n.nspname, c.relname) from pg_catalog.pg_class c
                         join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = u.a),
            'to_ref', (select format('%%I.%%I', n.nspname, c.relname) from pg_catalog.pg_class c
                       join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = u.b),
            'from_columns', (select json_agg(quote_ident(a.attname) order by x.ord)
                             from unnest(k.conkey) with ordinality x (num, ord)
                             join pg_catalog.pg_attribute a on a.attrelid = u.a and a.attnum = x.num),
            'to_columns', (select json_agg(quote_ident(a.attname) order by x.ord)
                           from unnest(k.confkey) with ordinality x (num, ord)
                           join pg_catalog.pg_attribute a on a.attrelid = u.b and a.attnum = x.num))
            order by k.conname, k.oid), '[]')
        from used u join pg_catalog.pg_constraint k on k.oid = u.oid))
