-- What the server and the database as a whole say about themselves.

-- name: list_databases
-- name, owner, encoding, collation, bytes (null where the role may not connect), comment, current, total
with chosen as materialized (
    select d.oid, d.datname, d.datdba, d.encoding, d.datcollate, count(*) over () as total
    from pg_catalog.pg_database d
    where not d.datistemplate
)
select c.datname::text as name, pg_catalog.pg_get_userbyid(c.datdba)::text as owner,
       pg_catalog.pg_encoding_to_char(c.encoding)::text as encoding, c.datcollate::text as collation,
       case when pg_catalog.has_database_privilege(c.oid, 'CONNECT')
            then pg_catalog.pg_database_size(c.oid) end as bytes,
       pg_catalog.shobj_description(c.oid, 'pg_database') as comment,
       case when c.datname = current_database() then 'yes' else 'no' end as current, c.total
from chosen c
where c.datname > %(after_name)s::name
order by c.datname
limit %(limit)s::bigint

-- name: database_info
-- JSON: one object
select json_strip_nulls(json_build_object(
    'version', current_setting('server_version'),
    'database', current_database(),
    'bytes', pg_catalog.pg_database_size(current_database()),
    'encoding', (select pg_catalog.pg_encoding_to_char(encoding) from pg_catalog.pg_database
                 where datname = current_database()),
    'collation', (select datcollate from pg_catalog.pg_database where datname = current_database()),
    'started', date_trunc('second', pg_catalog.pg_postmaster_start_time()),
    'uptime', date_trunc('second', now() - pg_catalog.pg_postmaster_start_time())::text,
    'in_recovery', pg_catalog.pg_is_in_recovery(),
    'role', current_user,
    'search_path', current_setting('search_path'),
    'schemas', (select count(*) from pg_catalog.pg_namespace
                where nspname !~ '^pg_' and nspname <> 'information_schema'),
    'tables', (select count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
               where c.relkind in ('r', 'p', 'f') and not c.relispartition
                 and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'),
    'extensions', (select count(*) from pg_catalog.pg_extension),
    'connections', (select sum(numbackends) from pg_catalog.pg_stat_database),
    'settings', (select json_object_agg(name, current_setting(name) order by name) from pg_catalog.pg_settings
                 where name in ('max_connections', 'shared_buffers', 'work_mem', 'maintenance_work_mem',
                                'effective_cache_size', 'random_page_cost', 'wal_level', 'TimeZone', 'autovacuum',
                                'default_transaction_isolation', 'max_parallel_workers_per_gather'))))

-- name: list_roles
-- name, attributes, member_of, grants (on %(schema)s where one is given), comment, total
with grants as materialized (
    select a.grantee, string_agg(a.text, ', ' order by a.rank, a.text) as text
    from (
        select x.grantee, 1 as rank, 'schema ' || string_agg(distinct x.privilege_type, '+') as text
        from pg_catalog.pg_namespace n
        cross join lateral pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) x
        where n.nspname = %(schema)s::name
        group by x.grantee
        union all
        select p.grantee, 2, string_agg(p.privilege_type, '+' order by p.privilege_type)
                             || ' on ' || cardinality(p.oids) || ' tables'
        from (
            select x.grantee, x.privilege_type, array_agg(distinct c.oid order by c.oid) as oids
            from pg_catalog.pg_class c
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = %(schema)s::name
            cross join lateral pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) x
            where c.relkind in ('r', 'p', 'v', 'm', 'f')
            group by x.grantee, x.privilege_type
        ) p
        group by p.grantee, p.oids
    ) a
    group by a.grantee
), chosen as materialized (
    select r.*, count(*) over () as total
    from (
        select oid, rolname, concat_ws(', ', case when rolsuper then 'superuser' end,
                   case when rolcanlogin then 'login' end, case when rolcreatedb then 'createdb' end,
                   case when rolcreaterole then 'createrole' end, case when rolreplication then 'replication' end,
                   case when rolbypassrls then 'bypassrls' end, case when not rolinherit then 'noinherit' end,
                   case when rolconnlimit >= 0 then 'connections ' || rolconnlimit end,
                   case when rolvaliduntil is not null then 'until ' || rolvaliduntil end) as attributes
        from pg_catalog.pg_roles
        union all
        select 0, 'public', 'every role' where %(schema)s::text <> ''
    ) r
    where %(filter)s::text = '' and r.rolname !~ '^pg_'
       or %(filter)s::text <> '' and strpos(lower(r.rolname), lower(%(filter)s::text)) > 0
)
select c.rolname::text as name, nullif(c.attributes, '') as attributes,
       (select string_agg(g.rolname, ', ' order by g.rolname)
        from pg_catalog.pg_auth_members m join pg_catalog.pg_roles g on g.oid = m.roleid
        where m.member = c.oid) as member_of,
       g.text as grants, pg_catalog.shobj_description(c.oid, 'pg_authid') as comment, c.total
from chosen c
left join grants g on g.grantee = c.oid
where c.rolname > %(after_name)s::name
order by c.rolname
limit %(limit)s::bigint

-- name: list_extensions
-- name, installed (version), available (where it differs), schema, comment, total
with chosen as materialized (
    select coalesce(e.extname, a.name) as name, e.extversion, a.default_version, e.extnamespace, a.comment,
           count(*) over () as total
    from pg_catalog.pg_extension e
    full join pg_catalog.pg_available_extensions() a on a.name = e.extname
    where e.oid is not null or %(available)s::boolean
)
select c.name::text as name, c.extversion as installed,
       case when c.default_version is distinct from c.extversion then c.default_version end as available,
       n.nspname::text as schema, c.comment, c.total
from chosen c
left join pg_catalog.pg_namespace n on n.oid = c.extnamespace
where c.name > %(after_name)s::name
order by c.name
limit %(limit)s::bigint
