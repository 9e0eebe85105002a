-- Everything about some tables, in one statement.

-- name: describe_tables
-- JSON: [{idx, ref (quoted name), ...sections}, ...], one for each reading %(idx)s, %(schemas)s, %(names)s that exists.
-- At most %(referrers)s keys of other tables, found by the triggers that a foreign key puts on the table it references:
-- those have an index.
with wanted as materialized (
    select distinct w.idx, c.oid, c.relname, n.nspname, c.relnamespace, c.relkind, c.relispartition, c.relpersistence,
           c.relowner, c.reltuples, c.relrowsecurity, c.relhassubclass
    from unnest(%(idx)s::int[], %(schemas)s::text[], %(names)s::text[]) w (idx, nsp, rel)
    join pg_catalog.pg_class c on c.relname = w.rel::name and c.relkind in ('r', 'p', 'v', 'm', 'f')
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where case when w.nsp is null then pg_catalog.pg_table_is_visible(c.oid) else n.nspname = w.nsp::name end
), locked as materialized (
    select coalesce(i.indrelid, l.relation) as oid
    from pg_catalog.pg_locks l
    left join pg_catalog.pg_index i on i.indexrelid = l.relation
    where 'sizes' = any (%(sections)s::text[]) and l.mode = 'AccessExclusiveLock' and l.locktype = 'relation'
      and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
)
select coalesce(json_agg(json_strip_nulls(json_build_object(
    'idx', t.idx,
    'ref', format('%%I.%%I', t.nspname, t.relname),
    'schema', t.nspname,
    'name', t.relname,
    'kind', case t.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view'
                           when 'm' then 'materialized view' else 'foreign table' end,
    'persistence', case t.relpersistence when 'u' then 'unlogged' when 't' then 'temporary' end,
    'owner', pg_catalog.pg_get_userbyid(t.relowner),
    'rows', case when t.relkind in ('r', 'm', 'f', 'p') and t.reltuples >= 0 then round(t.reltuples::numeric) end,
    'readable', nullif(pg_catalog.has_any_column_privilege(t.oid, 'SELECT')
                       and pg_catalog.has_schema_privilege(t.relnamespace, 'USAGE'), true),
    'row_security', nullif(t.relrowsecurity, false),
    'server', (select s.srvname from pg_catalog.pg_foreign_table f
               join pg_catalog.pg_foreign_server s on s.oid = f.ftserver where f.ftrelid = t.oid),
    'partition_of', case when t.relispartition then (
        select json_build_object('table', format('%%I.%%I', n.nspname, p.relname),
                                 'bound', (select pg_catalog.pg_get_expr(relpartbound, oid)
                                           from pg_catalog.pg_class where oid = t.oid))
        from pg_catalog.pg_inherits i
        join pg_catalog.pg_class p on p.oid = i.inhparent
        join pg_catalog.pg_namespace n on n.oid = p.relnamespace
        where i.inhrelid = t.oid) end,
    'inherits', case when not t.relispartition then (
        select json_agg(format('%%I.%%I', n.nspname, p.relname) order by i.inhseqno)
        from pg_catalog.pg_inherits i
        join pg_catalog.pg_class p on p.oid = i.inhparent
        join pg_catalog.pg_namespace n on n.oid = p.relnamespace
        where i.inhrelid = t.oid) end,
    'inherited_by', case when t.relkind <> 'p' and t.relhassubclass then (
        select json_agg(format('%%I.%%I', n.nspname, p.relname) order by n.nspname, p.relname)
        from pg_catalog.pg_inherits i
        join pg_catalog.pg_class p on p.oid = i.inhrelid
        join pg_catalog.pg_namespace n on n.oid = p.relnamespace
        where i.inhparent = t.oid) end,
    'partition_key', case when t.relkind = 'p' then pg_catalog.pg_get_partkeydef(t.oid) end,
    'partition_count', case when t.relkind = 'p' then
        (select count(*) from pg_catalog.pg_inherits where inhparent = t.oid) end,
    'comment', case when 'comments' = any (%(sections)s::text[]) then pg_catalog.obj_description(t.oid, 'pg_class') end,
    'columns', case when 'columns' = any (%(sections)s::text[]) then (
        select json_agg(json_build_object(
            'name', a.attname,
            'quoted', nullif(quote_ident(a.attname), a.attname),
            'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
            'not_null', nullif(a.attnotnull, false),
            'default', case when a.attgenerated = '' then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end,
            'generated', case when a.attgenerated <> '' then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end,
            'virtual', case when a.attgenerated = 'v' then true end,
            'identity', case a.attidentity when 'a' then 'always' when 'd' then 'by default' end,
            'collation', case when a.attcollation <> y.typcollation then
                (select format('%%I.%%I', n.nspname, c.collname) from pg_catalog.pg_collation c
                 join pg_catalog.pg_namespace n on n.oid = c.collnamespace where c.oid = a.attcollation) end,
            'values', case when e.typtype = 'e' then
                (select json_agg(l.enumlabel order by l.enumsortorder)
                 from pg_catalog.pg_enum l where l.enumtypid = e.oid) end,
            'domain', case when e.typtype = 'd' then
                concat_ws(' ', pg_catalog.format_type(e.typbasetype, e.typtypmod),
                          case when e.typnotnull then 'not null' end,
                          (select string_agg(pg_catalog.pg_get_constraintdef(k.oid, true), ' ' order by k.conname)
                           from pg_catalog.pg_constraint k where k.contypid = e.oid and k.contype = 'c')) end,
            'fields', case when e.typtype = 'c' then
                (select json_agg(format('%%I %%s', f.attname, pg_catalog.format_type(f.atttypid, f.atttypmod))
                                 order by f.attnum)
                 from pg_catalog.pg_attribute f
                 where f.attrelid = e.typrelid and f.attnum > 0 and not f.attisdropped) end,
            'comment', case when 'comments' = any (%(sections)s::text[])
                            then pg_catalog.col_description(t.oid, a.attnum) end) order by a.attnum)
        from pg_catalog.pg_attribute a
        join pg_catalog.pg_type y on y.oid = a.atttypid
        join pg_catalog.pg_type e on e.oid = case when y.typcategory = 'A' and y.typelem <> 0 then y.typelem
                                                  else y.oid end
        left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum and a.atthasdef
        where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped) end,
    'keys', case when 'keys' = any (%(sections)s::text[]) then (
        select json_agg(json_build_object(
            'name', k.conname,
            'kind', case k.contype when 'p' then 'primary key' when 'u' then 'unique' else 'foreign key' end,
            'columns', (select json_agg(a.attname order by u.ord)
                        from unnest(k.conkey) with ordinality u (num, ord)
                        join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num),
            'references', (select format('%%I.%%I', n.nspname, c.relname)
                           from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                           where c.oid = k.confrelid),
            'to', (select json_agg(a.attname order by u.ord)
                   from unnest(k.confkey) with ordinality u (num, ord)
                   join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.num),
            'definition', pg_catalog.pg_get_constraintdef(k.oid, true))
            order by k.contype = 'p' desc, k.contype = 'u' desc, k.conname)
        from pg_catalog.pg_constraint k
        where k.conrelid = t.oid and k.contype in ('p', 'u', 'f')
          and not exists (select from pg_catalog.pg_constraint o
                          where o.oid = k.conparentid and o.conrelid = k.conrelid)) end,
    'referenced_by', case when 'keys' = any (%(sections)s::text[]) then (
        select json_agg(json_build_object(
            'table', format('%%I.%%I', f.nspname, f.relname),
            'name', f.conname,
            'columns', (select json_agg(a.attname order by u.ord)
                        from unnest(f.conkey) with ordinality u (num, ord)
                        join pg_catalog.pg_attribute a on a.attrelid = f.conrelid and a.attnum = u.num),
            'to', (select json_agg(a.attname order by u.ord)
                   from unnest(f.confkey) with ordinality u (num, ord)
                   join pg_catalog.pg_attribute a on a.attrelid = f.confrelid and a.attnum = u.num))
            order by f.nspname, f.relname, f.conname)
        from (
            select n.nspname, c.relname, k.conname, k.conkey, k.conrelid, k.confkey, k.confrelid
            from (select g.tgconstraint as oid from pg_catalog.pg_trigger g
                  where g.tgrelid = t.oid and g.tgisinternal and g.tgconstraint <> 0
                  union
                  select f.oid from pg_catalog.pg_constraint f
                  where t.relkind = 'p' and f.contype = 'f' and f.confrelid = t.oid) r
            -- "offset 0" keeps the planner from reading all constraints for each table.
            cross join lateral (select * from pg_catalog.pg_constraint x
                                where x.oid = r.oid and x.confrelid = t.oid and x.conparentid = 0 offset 0) k
            join pg_catalog.pg_class c on c.oid = k.conrelid
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            order by n.nspname, c.relname, k.conname
            limit %(referrers)s::int) f) end,
    'indexes', case when 'indexes' = any (%(sections)s::text[]) then (
        select json_agg(json_build_object(
            'name', c.relname,
            'definition', substr(pg_catalog.pg_get_indexdef(i.indexrelid), length(format(
                'CREATE %%sINDEX %%I ON %%s%%I.%%I USING ',
                case when i.indisunique then 'UNIQUE ' else '' end, c.relname,
                case when c.relkind = 'I' then 'ONLY ' else '' end, t.nspname, t.relname)) + 1),
            'unique', nullif(i.indisunique, false),
            'primary', nullif(i.indisprimary, false),
            'invalid', nullif(not (i.indisvalid and i.indisready), false),
            'comment', case when 'comments' = any (%(sections)s::text[])
                            then pg_catalog.obj_description(i.indexrelid, 'pg_class') end)
            order by i.indisprimary desc, c.relname)
        from pg_catalog.pg_index i
        join pg_catalog.pg_class c on c.oid = i.indexrelid
        where i.indrelid = t.oid) end,
    'constraints', case when 'constraints' = any (%(sections)s::text[]) then (
        select json_agg(json_build_object(
            'name', k.conname,
            'definition', pg_catalog.pg_get_constraintdef(k.oid, true),
            'comment', case when 'comments' = any (%(sections)s::text[])
                            then pg_catalog.obj_description(k.oid, 'pg_constraint') end) order by k.conname)
        from pg_catalog.pg_constraint k
        where k.conrelid = t.oid and (k.contype in ('c', 'x', 't') or k.contype = 'n' and not k.convalidated)) end,
    'triggers', case when 'triggers' = any (%(sections)s::text[]) then (
        select json_agg(json_build_object(
            'name', g.tgname,
            'definition', pg_catalog.pg_get_triggerdef(g.oid, true),
            'enabled', case g.tgenabled when 'D' then 'no' when 'R' then 'on replicas' when 'A' then 'always' end)
            order by g.tgname)
        from pg_catalog.pg_trigger g
        where g.tgrelid = t.oid and not g.tgisinternal) end,
    'partitions', case when t.relkind = 'p' and 'partitions' = any (%(sections)s::text[]) then (
        select json_agg(json_build_object('table', s.name, 'bound', s.bound, 'rows', s.tuples) order by s.name)
        from (select format('%%I.%%I', n.nspname, c.relname) as name,
                     pg_catalog.pg_get_expr(c.relpartbound, c.oid) as bound,
                     case when c.reltuples >= 0 then round(c.reltuples::numeric) end as tuples
              from pg_catalog.pg_inherits i
              join pg_catalog.pg_class c on c.oid = i.inhrelid
              join pg_catalog.pg_namespace n on n.oid = c.relnamespace
              where i.inhparent = t.oid
              order by n.nspname, c.relname
              limit 200) s) end,
    'sizes', case when t.relkind in ('r', 'm') and 'sizes' = any (%(sections)s::text[]) then
        case when t.oid in (select oid from locked) then json_build_object('unknown', 'locked exclusively right now')
        else json_build_object('total', pg_catalog.pg_total_relation_size(t.oid),
                               'table', pg_catalog.pg_relation_size(t.oid),
                               'indexes', pg_catalog.pg_indexes_size(t.oid)) end end,
    'statistics', case when 'statistics' = any (%(sections)s::text[]) then json_build_object(
        'live_rows', case when t.relkind in ('r', 'm') then pg_catalog.pg_stat_get_live_tuples(t.oid) end,
        'dead_rows', case when t.relkind in ('r', 'm') then pg_catalog.pg_stat_get_dead_tuples(t.oid) end,
        'modified_since_analyze', case when t.relkind in ('r', 'm') then pg_catalog.pg_stat_get_mod_since_analyze(t.oid) end,
        'seq_scans', case when t.relkind in ('r', 'm') then pg_catalog.pg_stat_get_numscans(t.oid) end,
        'last_analyze', greatest(pg_catalog.pg_stat_get_last_analyze_time(t.oid),
                                 pg_catalog.pg_stat_get_last_autoanalyze_time(t.oid)),
        'last_vacuum', greatest(pg_catalog.pg_stat_get_last_vacuum_time(t.oid),
                                pg_catalog.pg_stat_get_last_autovacuum_time(t.oid)),
        'columns', (select json_agg(json_build_object(
                        'name', s.attname, 'null_fraction', round(s.null_frac::numeric, 4),
                        -- Negative: a share of all rows.
                        'distinct', case when s.n_distinct >= 0 then round(s.n_distinct::numeric)
                                         when t.reltuples >= 0 then round((-s.n_distinct * t.reltuples)::numeric) end,
                        'average_bytes', s.avg_width, 'correlation', round(s.correlation::numeric, 3)) order by s.attname)
                    from pg_catalog.pg_stats s
                    where s.schemaname = t.nspname and s.tablename = t.relname
                      and s.inherited = (t.relkind = 'p'))) end,
    'definition', case when t.relkind in ('v', 'm') and 'definition' = any (%(sections)s::text[])
                       then pg_catalog.pg_get_viewdef(t.oid, true) end
)) order by t.idx, t.nspname, t.relname), '[]')
from wanted t
