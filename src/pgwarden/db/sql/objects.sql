-- name: objects_fingerprint
-- One row, one text: changes whenever something that the other blocks of this file read may have changed.
SELECT pg_catalog.concat_ws(' ',
  current_user,
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint), sum(oid::bigint)) FROM pg_catalog.pg_namespace),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint), sum(oid::bigint)) FROM pg_catalog.pg_database),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint), sum(oid::bigint)) FROM pg_catalog.pg_class
    WHERE oid >= 16384 AND relpersistence <> 't'),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_attribute
    WHERE attrelid >= 16384 AND attnum > 0),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_attrdef),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_rewrite WHERE oid >= 16384),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_inherits),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_constraint WHERE contype = 'f'));

-- name: objects_snapshot
-- Rows (section, JSON array of arrays); the sections and their columns are read by db/objects.py.
WITH relations AS MATERIALIZED (
  SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind,
    COALESCE(i.indrelid, toasted.oid, (
      SELECT d.refobjid FROM pg_catalog.pg_depend d
      WHERE c.relkind = 'S' AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i') LIMIT 1)) AS owner
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
  LEFT JOIN pg_catalog.pg_class toasted ON toasted.reltoastrelid = c.oid AND c.relkind = 't'
  WHERE c.relpersistence <> 't' AND (c.oid >= 16384 OR c.relkind IN ('r', 'v'))
),
rules AS MATERIALIZED (
  -- A dependency on what came with the server is not recorded, so the relations are taken from the rule itself.
  SELECT r.ev_class AS relation, r.ev_type AS event, r.is_instead, r.ev_action::text AS tree
  FROM pg_catalog.pg_rewrite r WHERE r.oid >= 16384
)
SELECT 'schemas', pg_catalog.json_agg(pg_catalog.json_build_array(n.oid::bigint, n.nspname))::text
FROM pg_catalog.pg_namespace n
UNION ALL
SELECT 'databases', pg_catalog.json_agg(pg_catalog.json_build_array(d.datname))::text FROM pg_catalog.pg_database d
UNION ALL
SELECT 'relations', pg_catalog.json_agg(pg_catalog.json_build_array(
    c.oid::bigint, c.schema, c.name, c.kind, COALESCE(c.owner::bigint, 0)) ORDER BY c.oid)::text
FROM relations c
UNION ALL
SELECT 'inherits', pg_catalog.json_agg(pg_catalog.json_build_array(i.inhrelid::bigint, i.inhparent::bigint))::text
FROM pg_catalog.pg_inherits i
UNION ALL
SELECT 'rules', pg_catalog.json_agg(pg_catalog.json_build_array(r.relation::bigint, r.event, r.tree LIKE '%:varattno 0 %',
    (SELECT pg_catalog.json_agg(DISTINCT m.found[1]::bigint)
     FROM pg_catalog.regexp_matches(r.tree, ':relid (\d+)', 'g') AS m (found) WHERE m.found[1] <> '0')))::text
FROM rules r
UNION ALL
SELECT 'foreign_keys', pg_catalog.json_agg(pg_catalog.json_build_array(
    k.confrelid::bigint, k.conrelid::bigint, k.confdeltype, k.confupdtype))::text
FROM pg_catalog.pg_constraint k WHERE k.contype = 'f';

-- name: objects_columns
-- The same, for masks.
SELECT 'columns', pg_catalog.json_agg(pg_catalog.json_build_array(
    a.attrelid::bigint, a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
    pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')) ORDER BY a.attrelid, a.attnum)::text
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
  AND c.relkind IN ('r', 'v', 'm', 'f', 'p') AND c.relpersistence <> 't'
UNION ALL
SELECT 'used', pg_catalog.json_agg(DISTINCT pg_catalog.jsonb_build_array(
    r.ev_class::bigint, d.refobjid::bigint, d.refobjsubid))::text
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0 AND r.ev_type = '1'
UNION ALL
SELECT 'generated', pg_catalog.json_agg(pg_catalog.json_build_array(a.attrelid::bigint, a.attnum, d.refobjsubid))::text
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = a.attrelid
  AND d.refobjsubid > 0 AND d.refobjsubid <> a.attnum
  AND (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid
    -- Up to version 14 the column itself depends.
    OR d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = a.attrelid AND d.objsubid = a.attnum)
WHERE a.attgenerated <> '';

-- name: objects_trees
-- Rows (relation, stored query) of the views with the object ids $1.
SELECT r.ev_class::bigint, r.ev_action::text
FROM pg_catalog.pg_rewrite r
WHERE r.ev_type = '1' AND r.ev_class = ANY (CAST($1 AS pg_catalog.oid[]));

-- name: objects_database
-- One row: the database that is connected to.
SELECT pg_catalog.current_database()::text;
