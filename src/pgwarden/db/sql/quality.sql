-- name: profile_facts
-- JSON of one relation: how large it is now, the rows that statistics tell of (null: none), and for each column the
-- correlation between its order and that of the rows on disk, as ANALYZE saw it. Of a partitioned table its partitions
-- are added up.
with recursive members (oid) as (
    select %(oid)s::oid
    union all
    select i.inhrelid from members m join pg_catalog.pg_inherits i on i.inhparent = m.oid
), stored as materialized (
    select c.oid, c.reltuples, c.relpages, pg_catalog.pg_relation_size(c.oid)
           / current_setting('block_size')::bigint as pages
    from members m join pg_catalog.pg_class c on c.oid = m.oid
    where c.relkind in ('r', 'm')
)
select json_build_object(
    'pages', (select coalesce(sum(pages), 0) from stored),
    'rows', (select case when bool_and(s.relpages > 0 and s.reltuples >= 0 or s.pages = 0)
                         then sum(case when s.pages = 0 then 0 else s.reltuples / nullif(s.relpages, 0) * s.pages end) end
             from stored s),
    'foreign', exists (select from members m join pg_catalog.pg_class c on c.oid = m.oid where c.relkind = 'f'),
    'order', (select json_object_agg(p.attname, p.correlation) from pg_catalog.pg_stats p
              where p.schemaname = n.nspname and p.tablename = c.relname and not p.inherited
                and p.correlation is not null))
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = %(oid)s::oid
