-- name: write_effects
-- Rows (oid, schema, name, inserted, updated, deleted): the rows of users' tables that this session has changed and not
-- yet reported. What was changed between two askings in one transaction is the difference: triggers, rules, cascades and
-- WITH queries count too, of which the command's tag knows nothing.
select t.oid, n.nspname, t.relname, t.inserted, t.updated, t.deleted
from (select c.oid, c.relname, c.relnamespace,
             pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) as inserted,
             pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) as updated,
             pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) as deleted
      from pg_catalog.pg_class c where c.relkind = 'r' and c.oid >= 16384) t
join pg_catalog.pg_namespace n on n.oid = t.relnamespace
where t.inserted + t.updated + t.deleted > 0

-- name: write_position
-- One row: the position in the log behind everything that was committed, in bytes.
select (pg_catalog.pg_current_wal_insert_lsn() - '0/0')::text

-- name: transaction_begun
-- One row: the server's process.
select pg_catalog.pg_backend_pid()

-- name: transaction_locks
-- $1: a server process. Rows (table, mode, granted, waiting): its locks on users' relations, and how many other sessions
-- wait for it. A table that is created in it has no name elsewhere.
select coalesce(pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), ''), l.mode, l.granted,
       (select count(distinct w.pid) from pg_catalog.pg_locks w
        where not w.granted and w.pid <> $1::int and $1::int = any (pg_catalog.pg_blocking_pids(w.pid)))
from pg_catalog.pg_locks l
left join pg_catalog.pg_class c on c.oid = l.relation
left join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where l.pid = $1::int and (l.relation >= 16384 or (not l.granted and l.relation is null))
      and coalesce(c.relkind <> 'i' and c.relkind <> 't', true)
order by 3, 1, 2
