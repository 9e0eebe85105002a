-- The schema tools' lists: one statement a tool, pg_catalog only: a role with nothing but SELECT sees them whole.
-- Pages are keyset pages in the order of the names' bytes. `total` counts all pages. An empty schema means every schema
-- but the system's and temporary ones. Sizes and definitions of a relation that is locked exclusively are left out
-- (null): asking for them would wait.

-- name: list_tables
-- schema, name, kind, rows (estimate), bytes, comment, readable (by this role), left_out, total. Where no kinds are asked
-- for, partitions are left out and counted in left_out, unless there is nothing else. Where more than
-- %(summarise_above)s tables are chosen and nothing narrows them, name is null and each row sums up a schema; its bytes
-- are an estimate, null where nothing in it was ever analyzed.
with recursive known as materialized (
    select c.oid, n.nspname, c.relname, c.relkind, c.relnamespace, c.reltuples, c.relpages,
           case when c.relispartition then 'partition' else
               case c.relkind when 'r' then 'table' when 'p' then 'partitioned' when 'v' then 'view'
                              when 'm' then 'matview' else 'foreign' end
           end as kind
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f')
      and case when %(schema)s::text = '' then n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
               else n.nspname = %(schema)s::name end
      and (%(filter)s::text = '' or strpos(lower(c.relname), lower(%(filter)s::text)) > 0)
), chosen as materialized (
    select k.*, count(*) over () as total
    from known k
    where case when cardinality(%(kinds)s::text[]) > 0 then k.kind = any (%(kinds)s::text[])
               else k.kind <> 'partition' or not exists (select from known where kind <> 'partition') end
), page as materialized (
    select * from chosen
    where (nspname, relname) > (%(after_schema)s::name, %(after_name)s::name)
      and total <= %(summarise_above)s::bigint
    order by nspname, relname
    limit %(limit)s::bigint
), members (root, oid) as (
    select oid, oid from page where relkind in ('r', 'p', 'm')
    union all
    select m.root, i.inhrelid
    from members m
    join page p on p.oid = m.root and p.relkind = 'p'
    join pg_catalog.pg_inherits i on i.inhparent = m.oid
), locked as materialized (
    select coalesce(i.indrelid, l.relation) as oid
    from pg_catalog.pg_locks l
    left join pg_catalog.pg_index i on i.indexrelid = l.relation
    where l.mode = 'AccessExclusiveLock' and l.locktype = 'relation'
      and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
), measured as (
    select m.root,
           sum(c.reltuples) filter (where c.reltuples >= 0 and c.relkind in ('r', 'm', 'f')) as tuples,
           sum(case when m.oid in (select oid from locked) then null
                    else pg_catalog.pg_total_relation_size(m.oid) end) as bytes
    from members m
    join pg_catalog.pg_class c on c.oid = m.oid
    group by m.root
)
select schema, name, kind, rows::bigint, bytes::bigint, comment, readable,
       case when cardinality(%(kinds)s::text[]) = 0 then (select count(*) from known) - total else 0 end as left_out, total
from (
    select p.nspname::text as schema, p.relname::text as name, p.kind,
           round(coalesce(m.tuples, case when p.relkind = 'f' and p.reltuples >= 0
                                         then p.reltuples end)::numeric) as rows,
           m.bytes, pg_catalog.obj_description(p.oid, 'pg_class') as comment,
           pg_catalog.has_any_column_privilege(p.oid, 'SELECT')
               and pg_catalog.has_schema_privilege(p.relnamespace, 'USAGE') as readable, p.total,
           p.nspname as sort1, p.relname as sort2
    from page p
    left join measured m on m.root = p.oid
    union all
    select s.nspname, null, string_agg(s.number || ' ' || s.kind, ', ' order by s.number desc, s.kind),
           round(sum(s.tuples)::numeric), nullif(sum(s.pages), 0) * current_setting('block_size')::bigint,
           pg_catalog.obj_description(s.relnamespace, 'pg_namespace'), true, a.total, s.nspname, null
    from (
        select nspname, relnamespace, kind, count(*) as number,
               sum(reltuples) filter (where reltuples >= 0 and relkind <> 'p') as tuples, sum(relpages) as pages
        from known
        group by nspname, relnamespace, kind
    ) s
    join (select total from chosen limit 1) a on a.total > %(summarise_above)s::bigint
    group by s.nspname, s.relnamespace, a.total
) listed
order by sort1, sort2

-- name: list_schemas
-- schema, owner, tables, views, functions, comment, total
with chosen as materialized (
    select n.oid, n.nspname, n.nspowner, count(*) over () as total
    from pg_catalog.pg_namespace n
    where case when %(system)s::boolean then true else n.nspname !~ '^pg_' and n.nspname <> 'information_schema' end
      and (%(filter)s::text = '' or strpos(lower(n.nspname), lower(%(filter)s::text)) > 0)
), page as materialized (
    select * from chosen where nspname > %(after_schema)s::name order by nspname limit %(limit)s::bigint
), relations as materialized (
    select relnamespace as oid, count(*) filter (where relkind in ('r', 'p', 'f')) as tables,
           count(*) filter (where relkind in ('v', 'm')) as views
    from pg_catalog.pg_class
    group by relnamespace
), routines as materialized (
    select pronamespace as oid, count(*) as functions from pg_catalog.pg_proc group by pronamespace
)
select p.nspname::text as schema, pg_catalog.pg_get_userbyid(p.nspowner)::text as owner,
       coalesce(r.tables, 0) as tables, coalesce(r.views, 0) as views, coalesce(f.functions, 0) as functions,
       pg_catalog.obj_description(p.oid, 'pg_namespace') as comment, p.total
from page p
left join relations r on r.oid = p.oid
left join routines f on f.oid = p.oid
order by p.nspname

-- name: list_indexes
-- schema, name, table, definition, unique, valid, scans, bytes, comment, total
with chosen as materialized (
    select i.indexrelid, i.indrelid, i.indisunique, i.indisvalid, i.indisready, i.indisprimary, n.nspname, c.relname,
           c.relkind, t.relname as tablename, count(*) over () as total
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_class t on t.oid = i.indrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where case when %(oids)s::bigint[] is not null then i.indrelid = any ((%(oids)s::bigint[])::oid[])
               when %(schema)s::text = '' then n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
               else n.nspname = %(schema)s::name end
      and (%(filter)s::text = '' or strpos(lower(c.relname), lower(%(filter)s::text)) > 0)
), page as materialized (
    select * from chosen
    where (nspname, relname) > (%(after_schema)s::name, %(after_name)s::name)
    order by nspname, relname
    limit %(limit)s::bigint
), locked as materialized (
    select l.relation as oid
    from pg_catalog.pg_locks l
    where l.mode = 'AccessExclusiveLock' and l.locktype = 'relation'
      and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
)
select p.nspname::text as schema, p.relname::text as name, p.tablename::text as table,
       case when not p.locked then
           substr(pg_catalog.pg_get_indexdef(p.indexrelid), length(format('CREATE %%sINDEX %%I ON %%s%%I.%%I USING ',
                  case when p.indisunique then 'UNIQUE ' else '' end, p.relname,
                  case when p.relkind = 'I' then 'ONLY ' else '' end, p.nspname, p.tablename)) + 1) end as definition,
       case when p.indisprimary then 'primary' when p.indisunique then 'yes' else 'no' end as unique,
       case when p.indisvalid and p.indisready then 'yes' else 'NO' end as valid,
       pg_catalog.pg_stat_get_numscans(p.indexrelid) as scans,
       case when p.relkind = 'i' and not p.locked then pg_catalog.pg_relation_size(p.indexrelid) end as bytes,
       pg_catalog.obj_description(p.indexrelid, 'pg_class') as comment, p.total
from (
    select *, indexrelid in (select oid from locked) or indrelid in (select oid from locked) as locked from page
) p
order by p.nspname, p.relname

-- name: list_constraints
-- schema, table, name, kind, definition, state, comment, total; without NOT NULL, which is a constraint since 18 only,
-- unless it is not valid.
with chosen as materialized (
    select k.oid, k.conrelid, k.conname, k.contype, k.convalidated, k.conparentid, n.nspname, c.relname,
           count(*) over () as total
    from pg_catalog.pg_constraint k
    join pg_catalog.pg_class c on c.oid = k.conrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where (k.contype <> 'n' or not k.convalidated)
      and case when %(oids)s::bigint[] is not null then k.conrelid = any ((%(oids)s::bigint[])::oid[])
               when %(schema)s::text = '' then n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
               else n.nspname = %(schema)s::name end
      and (%(filter)s::text = '' or strpos(lower(k.conname), lower(%(filter)s::text)) > 0)
), page as materialized (
    select * from chosen
    where (nspname, relname, conname) > (%(after_schema)s::name, %(after_table)s::name, %(after_name)s::name)
    order by nspname, relname, conname
    limit %(limit)s::bigint
), locked as materialized (
    select l.relation as oid
    from pg_catalog.pg_locks l
    where l.mode = 'AccessExclusiveLock' and l.locktype = 'relation'
      and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
)
select p.nspname::text as schema, p.relname::text as table, p.conname::text as name,
       case p.contype when 'p' then 'primary key' when 'u' then 'unique' when 'f' then 'foreign key'
                      when 'c' then 'check' when 'x' then 'exclusion' when 'n' then 'not null'
                      when 't' then 'constraint trigger' else p.contype::text end as kind,
       case when p.conrelid not in (select oid from locked) then pg_catalog.pg_get_constraintdef(p.oid, true)
       end as definition,
       nullif(concat_ws(', ', case when not p.convalidated then 'not validated' end,
                        case when p.conparentid <> 0 then 'inherited' end), '') as state,
       pg_catalog.obj_description(p.oid, 'pg_constraint') as comment, p.total
from page p
order by p.nspname, p.relname, p.conname

-- name: list_functions
-- schema, name, arguments, returns, kind, volatility, language, security, comment, oid, total
with chosen as materialized (
    select p.oid, p.proname, p.prokind, p.provolatile, p.prolang, p.prosecdef, n.nspname, count(*) over () as total
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where case when %(schema)s::text = '' then n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
               else n.nspname = %(schema)s::name end
      and (%(filter)s::text = '' or strpos(lower(p.proname), lower(%(filter)s::text)) > 0)
), page as materialized (
    select * from chosen
    where (nspname, proname, oid) > (%(after_schema)s::name, %(after_name)s::name, %(after_oid)s::oid)
    order by nspname, proname, oid
    limit %(limit)s::bigint
)
select p.nspname::text as schema, p.proname::text as name,
       pg_catalog.pg_get_function_arguments(p.oid) as arguments, pg_catalog.pg_get_function_result(p.oid) as returns,
       case p.prokind when 'f' then 'function' when 'p' then 'procedure' when 'a' then 'aggregate'
                      else 'window' end as kind,
       case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end as volatility,
       l.lanname::text as language, case when p.prosecdef then 'definer' else 'invoker' end as security,
       pg_catalog.obj_description(p.oid, 'pg_proc') as comment, p.oid::text as oid, p.total
from page p
join pg_catalog.pg_language l on l.oid = p.prolang
order by p.nspname, p.proname, p.oid

-- name: object_tree
-- JSON: [[schema, [[kind, count, [name, ...]], ...]], ...]; at most %(names)s names of a kind, partitions only counted
with chosen as materialized (
    select n.nspname, case when c.relispartition then 'partitions' else
               case c.relkind when 'r' then 'tables' when 'p' then 'partitioned tables' when 'v' then 'views'
                              when 'm' then 'materialized views' when 'f' then 'foreign tables' else 'sequences' end
           end as kind, c.relname::text as name
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select n.nspname, 'functions', p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')'
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    union all
    select n.nspname, case t.typtype when 'e' then 'enums' when 'd' then 'domains' when 'r' then 'ranges'
                                     else 'composite types' end, t.typname::text
    from pg_catalog.pg_type t
    join pg_catalog.pg_namespace n on n.oid = t.typnamespace
    left join pg_catalog.pg_class c on c.oid = t.typrelid
    where t.typtype in ('e', 'd', 'r') or c.relkind = 'c'
), kinds as (
    select nspname, kind, count(*) as number,
           case when kind = 'partitions' then '[]'::json
                else to_json((array_agg(name order by name collate "C"))[1:%(names)s::int]) end as names
    from chosen
    where case when %(schema)s::text = '' then nspname !~ '^pg_' and nspname <> 'information_schema'
               else nspname = %(schema)s::name end
      and (%(filter)s::text = '' or strpos(lower(name), lower(%(filter)s::text)) > 0)
    group by nspname, kind
), schemas as (
    select nspname, json_agg(json_build_array(kind, number, names) order by kind) as kinds
    from kinds
    group by nspname
)
select coalesce(json_agg(json_build_array(nspname, kinds) order by nspname), '[]') from schemas

-- name: names_like
-- JSON: {"schema": whether that schema exists, "schemas": every schema, "tables": tables of similar names, quoted}
-- for the hint of an error; %(grams)s are trigrams of the name that was not found.
with tables as (
    select t.*, (select count(*) from unnest(%(grams)s::text[]) g where strpos(t.padded, g) > 0) as common
    from (
        select n.nspname, c.relname, pg_catalog.pg_table_is_visible(c.oid) as visible,
               '  ' || replace(lower(c.relname), '_', '  ') || ' ' as padded
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_toast'
          and (n.nspname = %(schema)s::name or n.nspname <> 'pg_catalog' and n.nspname <> 'information_schema')
        offset 0
    ) t
), nearest as (
    select format('%%I.%%I', nspname, relname) as name
    from tables
    where common > 0 and common * 2 >= cardinality(%(grams)s::text[])
    order by common::float / greatest(length(relname), cardinality(%(grams)s::text[])) desc,
             nspname = %(schema)s::name desc, visible desc, nspname, relname
    limit 5
)
select json_build_object(
    'schema', exists (select from pg_catalog.pg_namespace where nspname = %(schema)s::name),
    'schemas', (select json_agg(nspname order by nspname) from pg_catalog.pg_namespace
                where nspname !~ '^pg_(toast|temp)'),
    'tables', (select coalesce(json_agg(name), '[]') from nearest))

-- name: resolve_tables
-- JSON: [[idx, oid, quoted name], ...] of the readings of each name that exist
select coalesce(json_agg(json_build_array(r.idx, r.oid::bigint, r.name) order by r.idx, r.name), '[]')
from (
    select distinct w.idx, c.oid, format('%%I.%%I', n.nspname, c.relname) as name
    from unnest(%(idx)s::int[], %(schemas)s::text[], %(names)s::text[]) w (idx, nsp, rel)
    join pg_catalog.pg_class c on c.relname = w.rel::name and c.relkind in ('r', 'p', 'v', 'm', 'f')
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where case when w.nsp is null then pg_catalog.pg_table_is_visible(c.oid) else n.nspname = w.nsp::name end
) r
