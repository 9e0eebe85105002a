-- name: rows_table
-- JSON of one relation: what a row of it can hold, what makes it unique, and what can be done with it.
with recursive base as (
    select a.attnum, t.oid, t.typtype, t.typbasetype, a.atttypmod as typmod, coalesce(t.typnotnull, false) as refuses_null
    from pg_catalog.pg_attribute a left join pg_catalog.pg_type t on t.oid = a.atttypid
    where a.attrelid = %(oid)s::oid and a.attnum > 0 and not a.attisdropped
    union all
    select b.attnum, t.oid, t.typtype, t.typbasetype, d.typtypmod, b.refuses_null or t.typnotnull
    from base b join pg_catalog.pg_type d on d.oid = b.oid join pg_catalog.pg_type t on t.oid = b.typbasetype
    where b.typtype = 'd'
), held as (
    select b.attnum, b.typmod, b.refuses_null, t.typcategory as category, e.oid is not null as is_array,
           coalesce(e.oid, t.oid) as oid, n.nspname as type_schema, coalesce(e.typname, t.typname) as type_name,
           case when n.nspname = 'pg_catalog' or coalesce(e.typname, t.typname) in ('citext', 'vector', 'halfvec')
                then coalesce(e.typname, t.typname) else '' end as name
    from base b left join pg_catalog.pg_type t on t.oid = b.oid
    left join pg_catalog.pg_type e on e.oid = t.typelem and t.typcategory = 'A'
    left join pg_catalog.pg_namespace n on n.oid = coalesce(e.typnamespace, t.typnamespace)
    where b.typtype is distinct from 'd'
)
select json_build_object(
    'schema', n.nspname, 'name', c.relname, 'kind', c.relkind,
    'can', pg_catalog.pg_relation_is_updatable(c.oid, true),
    'fills', exists (select from pg_catalog.pg_trigger t where t.tgrelid = c.oid and t.tgenabled <> 'D'
                     and t.tgtype & 7 = 7),
    'rules', c.relhasrules and c.relkind in ('r', 'p'),
    'secured', c.relkind in ('r', 'p') and pg_catalog.row_security_active(c.oid),
    'shared', c.relkind <> 'p' and exists (select from pg_catalog.pg_inherits s where s.inhparent = c.oid),
    'columns', (
        select json_agg(json_build_object(
            'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
            'base', h.name, 'sql_type', json_build_array(h.type_schema, h.type_name), 'category', h.category, 'is_array', h.is_array,
            'length', case when h.name in ('varchar', 'bpchar') and h.typmod > 4 then h.typmod - 4 end,
            'labels', (select json_agg(e.enumlabel order by e.enumsortorder) from pg_catalog.pg_enum e
                       where e.enumtypid = h.oid),
            'not_null', (a.attnotnull and not v.not_valid) or h.refuses_null,
            -- A domain's default is the column's where it has none; it is not noted in pg_attribute.
            'has_default', a.atthasdef or exists (select from pg_catalog.pg_type d
                                                  where d.oid = a.atttypid and d.typdefault is not null),
            'generated', a.attgenerated <> '', 'identity', a.attidentity,
            'readable', pg_catalog.has_column_privilege(c.oid, a.attnum, 'select'),
            -- That function asks for triggers of UPDATE and DELETE even where an INSERT is meant.
            'writable', c.relkind <> 'v' or pg_catalog.pg_column_is_updatable(c.oid, a.attnum, true)
                        or exists (select from pg_catalog.pg_trigger t where t.tgrelid = c.oid and t.tgenabled <> 'D'
                                   and t.tgtype & 64 = 64)
        ) order by a.attnum)
        from pg_catalog.pg_attribute a join held h on h.attnum = a.attnum
        cross join lateral (
            -- Rows from before it may have NULL (18 has such constraints).
            select exists (select from pg_catalog.pg_constraint k where k.conrelid = c.oid and k.contype = 'n'
                           and k.conkey = array[a.attnum] and not k.convalidated) as not_valid) v
        where a.attrelid = c.oid),
    'keys', (
        select json_agg(json_build_object(
            'name', i.relname, 'primary', x.indisprimary, 'immediate', x.indimmediate, 'not_null', k.not_null,
            'columns', k.columns) order by x.indisprimary desc, x.indnkeyatts, i.relname)
        from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid
        cross join lateral (
            select json_agg(a.attname order by w.place) as columns, bool_and(a.attnotnull) as not_null,
                   -- Values that the column calls equal may be different ones to an index of another collation.
                   bool_and(l.oid is null or l.collisdeterministic or l.oid = x.indcollation[w.place - 1]) as same
            from unnest(x.indkey::int2[]) with ordinality w (attnum, place)
            join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = w.attnum
            left join pg_catalog.pg_collation l on l.oid = a.attcollation
            where w.place <= x.indnkeyatts) k
        where x.indrelid = c.oid and x.indisunique and x.indisvalid and x.indpred is null and x.indexprs is null
              and k.same)
)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = %(oid)s::oid

-- name: rows_constraint
-- JSON of the constraint, or else the unique index, that a row of a table violates: its definition and columns.
select json_build_object('definition', f.definition, 'columns', f.columns)
from (
    select 1 as place, pg_catalog.pg_get_constraintdef(k.oid, true) as definition,
           (select json_agg(a.attname order by w.place)
            from unnest(k.conkey) with ordinality w (attnum, place)
            join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = w.attnum) as columns
    from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = %(schema)s and c.relname = %(table)s and k.conname = %(constraint)s
    union all
    select 2, pg_catalog.pg_get_indexdef(x.indexrelid),
           (select json_agg(a.attname order by w.place)
            from unnest(x.indkey::int2[]) with ordinality w (attnum, place)
            join pg_catalog.pg_attribute a on a.attrelid = x.indrelid and a.attnum = w.attnum
            where w.place <= x.indnkeyatts)
    from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid
    join pg_catalog.pg_class c on c.oid = x.indrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = %(schema)s and c.relname = %(table)s and i.relname = %(constraint)s
) f
order by f.place limit 1
