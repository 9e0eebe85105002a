-- What a change would meet: its targets, who refers to them, and what depends on them. pg_catalog only. Relations
-- come with their schema and name, so that the caller can leave out those that must not be seen.

-- name: impact_targets
-- JSON: {"relations": [...], "objects": [...], "event_triggers": [...]}. The relations %(schemas)s, %(names)s (a null
-- schema: found by the search path), with the triggers and rules that fire for %(events)s, as bits of pg_trigger.tgtype
-- (4 insert, 8 delete, 16 update, 32 truncate; 0: none): "below" are those of partitions and children, "count" is the
-- statement that counts its rows. The other objects %(kinds)s, %(objects)s, where they are found; columns and constraints
-- by their bare name in the relation %(owners)s. The event triggers that fire for a command of the tags %(tags)s.
with recursive given as materialized (
    select w.idx, w.events, c.oid, n.nspname, c.relname, c.relkind, c.reltuples, c.relrowsecurity
    from unnest(%(schemas)s::text[], %(names)s::text[], %(events)s::int[]) with ordinality w (nsp, rel, events, idx)
    join pg_catalog.pg_class c on c.relname = w.rel::name
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where case when w.nsp is null then pg_catalog.pg_table_is_visible(c.oid) else n.nspname = w.nsp::name end
), family (root, oid, relkind) as (
    select oid, oid, relkind from given
    union
    select f.root, i.inhrelid, c.relkind
    from family f
    join pg_catalog.pg_inherits i on i.inhparent = f.oid
    join pg_catalog.pg_class c on c.oid = i.inhrelid
    where f.relkind in ('r', 'p')
), named as materialized (
    select w.idx, w.kind, w.name, o.classid, o.objid, o.objsubid
    from unnest(%(kinds)s::text[], %(objects)s::text[], %(owners)s::text[]) with ordinality w (kind, name, owner, idx)
    cross join lateral (
        select 'pg_catalog.pg_namespace'::pg_catalog.regclass as classid, pg_catalog.to_regnamespace(w.name)::oid as objid,
               0 as objsubid
        where w.kind = 'schema'
        union all
        select 'pg_catalog.pg_type'::pg_catalog.regclass, pg_catalog.to_regtype(w.name)::oid, 0
        where w.kind in ('type', 'domain')
        union all
        select 'pg_catalog.pg_proc'::pg_catalog.regclass,
               case when strpos(w.name, '(') > 0 then pg_catalog.to_regprocedure(w.name)::oid
                    else pg_catalog.to_regproc(w.name)::oid end, 0
        where w.kind in ('function', 'procedure', 'aggregate', 'routine')
        union all
        select 'pg_catalog.pg_extension'::pg_catalog.regclass, e.oid, 0
        from pg_catalog.pg_extension e
        where w.kind = 'extension' and w.name in (e.extname, quote_ident(e.extname))
        union all
        select 'pg_catalog.pg_class'::pg_catalog.regclass, a.attrelid, a.attnum
        from pg_catalog.pg_attribute a
        where w.kind = 'column' and a.attrelid = pg_catalog.to_regclass(w.owner) and a.attname = w.name::name
        union all
        select 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid, 0
        from pg_catalog.pg_constraint k
        where w.kind = 'constraint' and k.conrelid = pg_catalog.to_regclass(w.owner) and k.conname = w.name::name
    ) o
)
select json_build_object(
    'relations', (select coalesce(json_agg(json_build_object(
        'oid', g.oid::bigint, 'schema', g.nspname, 'name', g.relname, 'ref', format('%%I.%%I', g.nspname, g.relname),
        'kind', case g.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view'
                               when 'm' then 'materialized view' when 'f' then 'foreign table' when 'S' then 'sequence'
                               when 'i' then 'index' when 'I' then 'partitioned index' else 'type' end,
        'stored', g.relkind in ('r', 'p', 'm'),
        'rows', (select round(sum(c.reltuples)::numeric) from family f join pg_catalog.pg_class c on c.oid = f.oid
                 where f.root = g.oid and c.reltuples >= 0 and c.relkind in ('r', 'm', 'f')),
        'count', format('SELECT count(*) FROM %%I.%%I', g.nspname, g.relname),
        'partitions', (select count(*) from family f where f.root = g.oid and f.oid <> g.oid and g.relkind = 'p'),
        'children', (select count(*) from family f where f.root = g.oid and f.oid <> g.oid and g.relkind = 'r'),
        'row_security', g.relrowsecurity and pg_catalog.row_security_active(g.oid),
        'triggers', (
            select json_agg(json_build_object(
                'name', t.tgname, 'function', format('%%I.%%I', n.nspname, p.proname), 'below', f.oid <> f.root,
                'when', case when t.tgtype & 64 > 0 then 'instead of' when t.tgtype & 2 > 0 then 'before' else 'after' end,
                'each', case when t.tgtype & 1 > 0 then 'row' else 'statement' end)
                order by f.oid <> f.root, t.tgname)
            from family f
            join pg_catalog.pg_trigger t on t.tgrelid = f.oid
            join pg_catalog.pg_proc p on p.oid = t.tgfoid
            join pg_catalog.pg_namespace n on n.oid = p.pronamespace
            where f.root = g.oid and not t.tgisinternal and t.tgparentid = 0 and t.tgtype & g.events > 0
              and t.tgenabled in ('O', 'A')
              -- Below, only what fires for rows, or for a TRUNCATE, which goes to every partition by itself.
              and (f.oid = f.root or t.tgtype & 33 > 0)),
        'rules', (
            select json_agg(json_build_object('name', r.rulename, 'instead', r.is_instead) order by r.rulename)
            from pg_catalog.pg_rewrite r
            where r.ev_class = g.oid and r.ev_enabled in ('O', 'A')
              and g.events & case r.ev_type when '2' then 16 when '3' then 4 when '4' then 8 else 0 end > 0),
        -- What a view is of; reported only for one that is changed.
        'over', case when g.relkind = 'v' then (
            select json_agg(json_build_object('schema', s.nspname, 'name', s.relname,
                                              'ref', format('%%I.%%I', s.nspname, s.relname)) order by s.nspname, s.relname)
            from (select distinct n.nspname, c.relname
                  from pg_catalog.pg_rewrite r
                  join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = r.oid
                   and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid <> g.oid
                  join pg_catalog.pg_class c on c.oid = d.refobjid and c.relkind in ('r', 'p', 'v', 'f')
                  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                  where r.ev_class = g.oid and r.ev_type = '1') s) end)
        order by g.idx), '[]') from given g),
    'objects', (select coalesce(json_agg(json_build_object(
        'kind', n.kind, 'name', n.name, 'class', n.classid::oid::bigint, 'oid', n.objid::bigint, 'sub', n.objsubid) order by n.idx), '[]')
        from named n where n.objid is not null),
    'event_triggers', (select json_agg(json_build_object(
        'name', e.evtname, 'function', format('%%I.%%I', n.nspname, p.proname), 'event', e.evtevent) order by e.evtname)
        from pg_catalog.pg_event_trigger e
        join pg_catalog.pg_proc p on p.oid = e.evtfoid
        join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where cardinality(%(tags)s::text[]) > 0 and e.evtenabled in ('O', 'A') and e.evtevent <> 'login'
          and (e.evttags is null or e.evttags && %(tags)s::text[])))

-- name: impact_sizes
-- oid, bytes with indexes, of the relations %(oids)s with their partitions; without those that are locked exclusively, as
-- asking for them would wait.
with recursive members (root, oid) as (
    select oid, oid from unnest(%(oids)s::oid[]) w (oid)
    union
    select m.root, i.inhrelid from members m join pg_catalog.pg_inherits i on i.inhparent = m.oid
), locked as materialized (
    select coalesce(i.indrelid, l.relation) as oid
    from pg_catalog.pg_locks l
    left join pg_catalog.pg_index i on i.indexrelid = l.relation
    where l.mode = 'AccessExclusiveLock' and l.locktype = 'relation'
      and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
)
select m.root::bigint, sum(case when m.oid in (select oid from locked) then null
                                else pg_catalog.pg_total_relation_size(m.oid) end)::bigint
from members m
group by m.root
having not bool_or(m.oid in (select oid from locked))

-- name: impact_references
-- JSON: {"total": n, "keys": [...]}: the foreign keys that point at the tables %(oids)s, at their partitions and children,
-- and further at the tables whose own keys have one of the ON DELETE actions %(follow)s (as pg_constraint.confdeltype): what
-- a DELETE or, with every action, a TRUNCATE CASCADE goes on to. level 1 is next to the targets. At most %(limit)s.
with recursive keys as materialized (
    select k.oid, k.conname, k.conrelid, k.confrelid, k.conkey, k.confkey, k.confdeltype, k.confupdtype, k.conparentid
    from pg_catalog.pg_constraint k where k.contype = 'f'
), reached (oid, level) as (
    select w.oid, 0 from unnest(%(oids)s::oid[]) w (oid)
    union
    select n.oid, n.level
    from reached r
    cross join lateral (
        select i.inhrelid, r.level from pg_catalog.pg_inherits i where i.inhparent = r.oid
        union all
        select k.conrelid, r.level + 1
        from keys k
        where k.confrelid = r.oid and k.confdeltype::text = any (%(follow)s::text[]) and r.level < 8
    ) n (oid, level)
), hit as (
    select k.oid, min(r.level) + 1 as level
    from reached r
    join keys k on k.confrelid = r.oid
    -- A partition has its own copy of a key; the one that was declared tells as much.
    where not exists (select from keys p where p.oid = k.conparentid and p.confrelid in (select oid from reached))
    group by k.oid
), shown as (
    select h.level, k.*, c.relname, n.nspname, round(nullif(c.reltuples, -1)::numeric) as tuples, d.relname as to_name,
           m.nspname as to_schema
    from hit h
    join keys k on k.oid = h.oid
    join pg_catalog.pg_class c on c.oid = k.conrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_class d on d.oid = k.confrelid
    join pg_catalog.pg_namespace m on m.oid = d.relnamespace
    order by h.level, n.nspname, c.relname, k.conname
    limit %(limit)s::int
)
select json_build_object(
    'total', (select count(*) from hit),
    'keys', (select coalesce(json_agg(json_build_object(
        'level', s.level, 'constraint', s.conname, 'oid', s.conrelid::bigint, 'to_oid', s.confrelid::bigint,
        'schema', s.nspname, 'name', s.relname, 'table', format('%%I.%%I', s.nspname, s.relname),
        'to', format('%%I.%%I', s.to_schema, s.to_name), 'to_schema', s.to_schema, 'to_name', s.to_name, 'rows', s.tuples,
        'columns', (select json_agg(quote_ident(a.attname) order by u.ord)
                    from unnest(s.conkey) with ordinality u (num, ord)
                    join pg_catalog.pg_attribute a on a.attrelid = s.conrelid and a.attnum = u.num),
        'to_columns', (select json_agg(quote_ident(a.attname) order by u.ord)
                       from unnest(s.confkey) with ordinality u (num, ord)
                       join pg_catalog.pg_attribute a on a.attrelid = s.confrelid and a.attnum = u.num),
        'on_delete', case s.confdeltype when 'a' then 'NO ACTION' when 'r' then 'RESTRICT' when 'c' then 'CASCADE'
                                        when 'n' then 'SET NULL' else 'SET DEFAULT' end,
        'on_update', case s.confupdtype when 'a' then 'NO ACTION' when 'r' then 'RESTRICT' when 'c' then 'CASCADE'
                                        when 'n' then 'SET NULL' else 'SET DEFAULT' end)
        order by s.level, s.nspname, s.relname, s.conname), '[]') from shown s))

-- name: impact_dependents
-- JSON: {"total": n, "objects": [{schema, name, what}, ...]}: what would have to be dropped with the objects %(classes)s,
-- %(oids)s, %(subs)s (catalog, oid, column number or 0), as DROP ... CASCADE finds it: through normal dependencies, and
-- then whatever goes with that by itself. Without CASCADE, PostgreSQL refuses while there are any. At most %(limit)s.
-- `needs` is whether an object is reached by way of a normal dependency, `how` the last step to it: by a normal dependency
-- ("n"), as a part of something else ("a"), or as that which a part cannot go without ("n" again, or "o").
with recursive reached (classid, objid, objsubid, needs, how) as (
    select w.classid, w.objid, w.objsubid, false, 'a'
    from unnest(%(classes)s::oid[], %(oids)s::oid[], %(subs)s::int[]) w (classid, objid, objsubid)
    union
    select n.classid, n.objid, n.objsubid, n.needs, n.how
    from reached r
    cross join lateral (
        select d.classid, d.objid, d.objsubid, r.needs or d.deptype = 'n', case d.deptype when 'n' then 'n' else 'a' end
        from pg_catalog.pg_depend d
        where d.refclassid = r.classid and d.refobjid = r.objid and (r.objsubid = 0 or d.refobjsubid = r.objsubid)
          -- A partitioned table depends on its own key.
          and (d.classid <> r.classid or d.objid <> r.objid or r.objsubid <> 0)
        union all
        -- Dropping a view's rule or a table's row type means the view or the table.
        select d.refclassid, d.refobjid, 0, true, case r.how when 'n' then 'n' else 'o' end
        from pg_catalog.pg_depend d
        where d.classid = r.classid and d.objid = r.objid and d.deptype in ('i', 'P') and r.needs
    ) n (classid, objid, objsubid, needs, how)
), found as (
    select r.classid, r.objid, r.objsubid, i.type, i.identity, a.object_names
    from (select distinct classid, objid, objsubid from reached x where x.needs and x.how = 'n') r
    cross join lateral pg_catalog.pg_identify_object(r.classid, r.objid, r.objsubid) i
    cross join lateral pg_catalog.pg_identify_object_as_address(r.classid, r.objid, r.objsubid) a
    -- What goes by itself with something else that goes needs no mention, nor does a column with its table.
    where not exists (select from reached x
                      where x.classid = r.classid and x.objid = r.objid
                        and (x.how = 'a' and x.objsubid in (0, r.objsubid) or x.objsubid = 0 and r.objsubid <> 0))
      and not exists (select from pg_catalog.pg_depend d
                      where d.classid = r.classid and d.objid = r.objid and d.deptype in ('i', 'P')
                        and (d.refclassid <> d.classid or d.refobjid <> d.objid))
)
select json_build_object(
    'total', (select count(*) from found),
    'objects', (select coalesce(json_agg(json_build_object(
        'schema', s.object_names[1], 'name', s.object_names[2], 'what', s.type || ' ' || s.identity)
        order by s.type, s.identity), '[]')
        from (select * from found order by type, identity limit %(limit)s::int) s))
