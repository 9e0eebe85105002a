-- name: role
-- One row: what the connected role could do beyond reading. Every column but the name is a boolean.
select r.rolname::text as name, r.rolsuper as superuser, r.rolbypassrls as bypassrls, r.rolreplication as replication,
       r.rolcreaterole as createrole, r.rolcreatedb as createdb,
       pg_catalog.pg_has_role('pg_read_server_files', 'member') as read_server_files,
       pg_catalog.pg_has_role('pg_write_server_files', 'member') as write_server_files,
       pg_catalog.pg_has_role('pg_execute_server_program', 'member') as execute_server_program,
       pg_catalog.pg_has_role('pg_signal_backend', 'member') as signal_backend,
       coalesce(pg_catalog.has_schema_privilege(
           (select n.oid from pg_catalog.pg_namespace n where n.nspname = 'public'), 'create'), false) as create_in_public,
       exists (select from pg_catalog.pg_proc p
               where p.proowner = r.oid and p.prosecdef and p.oid >= 16384) as owns_definer_functions
from pg_catalog.pg_roles r where r.rolname = current_user

-- name: health
-- One row: standby or not, the position in the log that is written or replayed, the age of the last replayed commit in
-- seconds, whether everything that was received is replayed while the stream stands, the version, and what a replica must
-- have in common with its primary, so that a statement judged by the catalog of one means the same on the other.
select pg_catalog.pg_is_in_recovery() as standby,
       (case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
             else pg_catalog.pg_current_wal_lsn() end - '0/0')::text as position,
       extract(epoch from pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()) as age,
       coalesce(pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn()
                and exists (select from pg_catalog.pg_stat_wal_receiver), false) as caught_up,
       split_part(pg_catalog.current_setting('server_version'), ' ', 1) as version,
       pg_catalog.concat_ws(' ', (select c.system_identifier from pg_catalog.pg_control_system() c),
         pg_catalog.current_database(), current_user, pg_catalog.current_setting('search_path')) as identity

-- name: type_names
-- $1: type oids as an array. Rows (oid, name without length or precision).
select t.oid, pg_catalog.format_type(t.oid, null) from pg_catalog.pg_type t where t.oid = any ($1::oid[])

-- name: relation_ids
-- $1, $2: schemas and names of relations, as arrays. Rows (oid), in their order; an empty schema means the search path.
select (select c.oid::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relname = w.name and (n.nspname = w.schema or w.schema = '' and pg_catalog.pg_table_is_visible(c.oid))
        order by c.oid limit 1)
from unnest($1::text[], $2::text[]) with ordinality w (schema, name, place) order by w.place
