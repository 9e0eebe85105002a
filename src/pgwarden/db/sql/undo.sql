-- name: undo_identity
-- One row: this transaction's id, the cluster, the database, the role, and the settings under which values are text.
select pg_catalog.pg_current_xact_id()::text, (select c.system_identifier::text from pg_catalog.pg_control_system() c),
       (select d.oid::text from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()), current_user::text,
       pg_catalog.current_setting('TimeZone'), pg_catalog.current_setting('IntervalStyle'),
       pg_catalog.current_setting('lc_monetary')

-- name: undo_identity_plain
-- As undo_identity, for roles that may not ask for the cluster's identifier.
select pg_catalog.pg_current_xact_id()::text, 'port ' || pg_catalog.current_setting('port'),
       (select d.oid::text from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()), current_user::text,
       pg_catalog.current_setting('TimeZone'), pg_catalog.current_setting('IntervalStyle'),
       pg_catalog.current_setting('lc_monetary')

-- name: undo_place
-- One row: which database of which cluster this is, and for which role.
select (select c.system_identifier::text from pg_catalog.pg_control_system() c) as system,
       (select d.oid::text from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()) as database,
       current_user::text as role

-- name: undo_place_plain
-- As undo_place, for roles that may not ask for the cluster's identifier.
select 'port ' || pg_catalog.current_setting('port') as system,
       (select d.oid::text from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()) as database,
       current_user::text as role

-- name: undo_ended
-- $1: a transaction's id. One row: committed, aborted or in progress; NULL where the server does not know any more.
select case when $1::xid8 < pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
            then pg_catalog.pg_xact_status($1::xid8) end

-- name: undo_others
-- The oid of a table, and JSON [[schema, name], ...] of tables. Rows (schema, name, follows): those of them that are none of its
-- partitions, and whether their rows may be changed because others, to which they refer, are deleted.
select n.nspname, c.relname,
       exists (select from pg_catalog.pg_constraint k
               where k.conrelid = c.oid and k.contype = 'f' and k.confdeltype in ('c', 'n', 'd'))::text
from json_array_elements(%(tables)s::json) each (value)
join pg_catalog.pg_namespace n on n.nspname = each.value ->> 0
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = each.value ->> 1
where not exists (select from pg_catalog.pg_partition_ancestors(c.oid) a
                  where a.relid = %(oid)s::oid::regclass and c.oid <> %(oid)s::oid)
