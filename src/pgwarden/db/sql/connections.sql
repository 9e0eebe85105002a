-- Of the tools that change and test connections.

-- name: connection_state
-- One row: database, role, server version, TLS version and cipher (null without TLS), standby or not.
select current_database()::text as database, current_user::text as role,
       pg_catalog.split_part(current_setting('server_version'), ' ', 1) as version,
       s.version as tls, s.cipher, pg_catalog.pg_is_in_recovery() as standby
from (select 1) one left join pg_catalog.pg_stat_ssl s on s.pid = pg_catalog.pg_backend_pid() and s.ssl

-- name: connectable_databases
-- Rows (name, whether the role can connect to it, whether it is the current one).
select d.datname::text as name, d.datallowconn and pg_catalog.has_database_privilege(d.oid, 'CONNECT') as connectable,
       d.datname = current_database() as current
from pg_catalog.pg_database d
where not d.datistemplate
order by d.datname
