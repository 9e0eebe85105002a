-- name: undo_identity
-- One row: this transaction's id, and which database of which cluster it is in.
select pg_catalog.pg_current_xact_id()::text, (select c.system_identifier::text from pg_catalog.pg_control_system() c),
       (select d.oid::text from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())

-- name: undo_place
-- One row: which database of which cluster this is.
select (select c.system_identifier::text from pg_catalog.pg_control_system() c) as system,
       (select d.oid::text from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()) as database

-- name: undo_ended
-- $1: a transaction's id. One row: committed, aborted or in progress; NULL where the server does not know any more.
select case when $1::xid8 < pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
            then pg_catalog.pg_xact_status($1::xid8) end
