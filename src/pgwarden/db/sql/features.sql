-- name: feature_tables
-- schema, name, key (its columns with their types; of the primary key, else of the unique key with the fewest columns),
-- other_keys (their names), columns, rows (estimate), updated (a column that by its type and name says when a row was
-- changed), comment: of tables whose rows can be looked up by a unique key that the role may read, a page in the order
-- of the names' bytes.
with keyed as (
    select c.oid, n.nspname, c.relname, c.reltuples, c.relkind, i.relname as key_name, k.columns, x.indrelid,
           row_number() over (partition by c.oid order by x.indisprimary desc, x.indnkeyatts, i.relname) as place
    from pg_catalog.pg_index x
    join pg_catalog.pg_class c on c.oid = x.indrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_class i on i.oid = x.indexrelid
    cross join lateral (
        select string_agg(format('%%I %%s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', '
                          order by w.place) as columns,
               bool_and(pg_catalog.has_column_privilege(c.oid, a.attnum, 'select')) as readable
        from unnest(x.indkey::int2[]) with ordinality w (attnum, place)
        join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = w.attnum
        where w.place <= x.indnkeyatts) k
    where x.indisunique and x.indisvalid and x.indpred is null and x.indexprs is null and k.readable
      and c.relkind in ('r', 'p', 'm') and not c.relispartition
      and pg_catalog.has_schema_privilege(n.oid, 'usage')
      and case when %(schema)s::text = '' then n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
               else n.nspname = %(schema)s::name end
)
select k.nspname::text as schema, k.relname::text as name, k.columns as key,
       (select string_agg(o.key_name, ', ' order by o.place) from keyed o where o.oid = k.oid and o.place > 1)
           as other_keys,
       (select count(*) from pg_catalog.pg_attribute a where a.attrelid = k.oid and a.attnum > 0
            and not a.attisdropped and pg_catalog.has_column_privilege(k.oid, a.attnum, 'select')) as columns,
       case when k.reltuples >= 0 and k.relkind <> 'p' then k.reltuples::bigint end as rows,
       (select a.attname::text from pg_catalog.pg_attribute a
        where a.attrelid = k.oid and a.attnum > 0 and not a.attisdropped
          and a.atttypid in ('pg_catalog.timestamptz'::pg_catalog.regtype, 'pg_catalog.timestamp'::pg_catalog.regtype)
          and a.attname ~* '^(last_)?(updated?|modified|changed|event|feature|refreshed)(_?(at|on|time|timestamp|ts))?$'
        order by a.attnum limit 1) as updated,
       pg_catalog.obj_description(k.oid, 'pg_class') as comment
from keyed k
where k.place = 1 and (k.nspname, k.relname) > (%(after_schema)s::name, %(after_name)s::name)
order by k.nspname, k.relname
limit %(limit)s::bigint
