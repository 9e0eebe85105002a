-- What resources and completions need: names that start with or contain a text, and tables to make examples of.
-- An empty schema means every schema but the system's and temporary ones.

-- name: complete_schemas
-- name, total: schemas that contain %(value)s, those that start with it first; at most %(limit)s.
select n.nspname::text as name, count(*) over () as total
from pg_catalog.pg_namespace n
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and strpos(lower(n.nspname), lower(%(value)s::text)) > 0
order by strpos(lower(n.nspname), lower(%(value)s::text)) > 1, n.nspname
limit %(limit)s::bigint

-- name: complete_tables
-- name, total: tables and views likewise, partitions last; where %(qualified)s with their schema, quoted as SQL.
with named as (
    select case when %(qualified)s::boolean then format('%%I.%%I', n.nspname, c.relname) else c.relname::text end as name,
           case when %(qualified)s::boolean then n.nspname || '.' || c.relname end as bare,
           c.relname::text as plain, c.relispartition as partition
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f')
      and case when %(schema)s::text = '' then n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
               else n.nspname = %(schema)s::name end
)
select name, count(*) over () as total
from named
where strpos(lower(name), lower(%(value)s::text)) > 0 or strpos(lower(bare), lower(%(value)s::text)) > 0
group by name
order by bool_and(partition),
         bool_or(1 in (strpos(lower(name), lower(%(value)s::text)), strpos(lower(bare), lower(%(value)s::text)),
                       strpos(lower(plain), lower(%(value)s::text)))) is not true, name
limit %(limit)s::bigint

-- name: complete_columns
-- name, total: columns of %(table)s likewise, in their order; it is named as a list shows it, or as SQL.
select a.attname::text as name, count(*) over () as total
from pg_catalog.pg_attribute a
join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p', 'v', 'm', 'f')
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where a.attnum > 0 and not a.attisdropped and strpos(lower(a.attname), lower(%(value)s::text)) > 0
  and (%(table)s::text in (format('%%I.%%I', n.nspname, c.relname), n.nspname || '.' || c.relname)
       or %(table)s::text in (quote_ident(c.relname), c.relname) and pg_catalog.pg_table_is_visible(c.oid))
order by strpos(lower(a.attname), lower(%(value)s::text)) > 1, a.attnum
limit %(limit)s::bigint

-- name: example_tables
-- JSON: {"tables": [{ref, columns: [{name, type, category}], key: [name, ...]}, ...],
--        "links": [{child, parent, columns, to}, ...]}. The %(limit)s tables that this role may read with the most foreign
-- keys, then rows; keys between them. Everything is quoted as SQL.
with readable as materialized (
    select c.oid, format('%%I.%%I', n.nspname, c.relname) as ref, c.reltuples
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition
      and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_table_privilege(c.oid, 'SELECT')
), keys as materialized (
    select k.oid, k.conrelid, k.confrelid, k.conkey, k.confkey
    from pg_catalog.pg_constraint k
    where k.contype = 'f' and k.conparentid = 0 and k.conrelid <> k.confrelid
      and k.conrelid in (select oid from readable) and k.confrelid in (select oid from readable)
), chosen as materialized (
    select r.oid, r.ref, coalesce(l.links, 0) as links, r.reltuples
    from readable r
    left join (select e.oid, count(*) as links
               from (select conrelid as oid from keys union all select confrelid from keys) e
               group by e.oid) l on l.oid = r.oid
    order by coalesce(l.links, 0) desc, r.reltuples desc, r.ref
    limit %(limit)s::bigint
)
select json_build_object(
    'tables', (select coalesce(json_agg(json_build_object(
        'ref', t.ref,
        'columns', (select coalesce(json_agg(json_build_object(
                        'name', quote_ident(a.attname), 'type', pg_catalog.format_type(a.atttypid, null),
                        'category', y.typcategory) order by a.attnum), '[]')
                    from pg_catalog.pg_attribute a join pg_catalog.pg_type y on y.oid = a.atttypid
                    where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped),
        'key', (select coalesce(json_agg(quote_ident(a.attname) order by x.place), '[]')
                from pg_catalog.pg_index i
                cross join unnest(i.indkey::int2[]) with ordinality x (num, place)
                join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = x.num
                where i.indrelid = t.oid and i.indisprimary and x.place <= i.indnkeyatts))
        order by t.links desc, t.reltuples desc, t.ref), '[]') from chosen t),
    'links', (select coalesce(json_agg(json_build_object(
        'child', c.ref, 'parent', p.ref,
        'columns', (select json_agg(quote_ident(a.attname) order by x.place)
                    from unnest(k.conkey) with ordinality x (num, place)
                    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = x.num),
        'to', (select json_agg(quote_ident(a.attname) order by x.place)
               from unnest(k.confkey) with ordinality x (num, place)
               join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = x.num)) order by k.oid), '[]')
        from keys k join chosen c on c.oid = k.conrelid join chosen p on p.oid = k.confrelid))
