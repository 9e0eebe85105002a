-- name: guard_fingerprint
-- One row, one text: changes whenever something that guard_snapshot reads may have changed. xmin is what an update
-- cannot keep; the statistics that VACUUM and ANALYZE write in place do not touch it.
SELECT pg_catalog.concat_ws(' ',
  current_user, pg_catalog.current_schemas(true)::text, pg_catalog.pg_my_temp_schema()::text,
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint), sum(oid::bigint)) FROM pg_catalog.pg_namespace),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_proc WHERE oid >= 16384),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_aggregate WHERE aggfnoid >= 16384),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_operator WHERE oid >= 16384),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_cast WHERE oid >= 16384),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_opclass WHERE oid >= 16384),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_amproc WHERE oid >= 16384),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_amop WHERE oid >= 16384),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_type
    WHERE oid >= 16384 AND typtype <> 'c' AND typcategory <> 'A'),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_constraint WHERE contype = 'c'),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_index
    WHERE indexprs IS NOT NULL OR indpred IS NOT NULL),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_statistic_ext),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_rewrite WHERE oid >= 16384),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_policy),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_inherits),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(xmin::text::bigint)) FROM pg_catalog.pg_class
    WHERE oid >= 16384 AND relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c') AND relpersistence <> 't'),
  (SELECT pg_catalog.concat_ws(',', count(*), sum(objid::bigint)) FROM pg_catalog.pg_depend
    WHERE refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND deptype = 'e'));

-- name: guard_snapshot
-- Rows (section, JSON array of arrays); the sections and their columns are read by db/catalog.py.
WITH path AS MATERIALIZED (
  SELECT s.name, s.place
  FROM unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS s (name, place)
),
spaces AS MATERIALIZED (
  -- Temporary schemas go by their alias: which number is whose depends on the session.
  SELECT n.oid, pg_catalog.regexp_replace(n.nspname::text, '^pg_temp_\d+$', 'pg_temp') AS name
  FROM pg_catalog.pg_namespace n
),
member AS MATERIALIZED (
  SELECT d.objid AS oid, e.extname::text AS extension
  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
  WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e'
    AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
),
functions AS MATERIALIZED (
  SELECT p.oid::bigint, n.name AS schema, p.proname::text AS name,
    p.proargtypes::oid[]::bigint[] AS arguments,
    pg_catalog.oidvectortypes(p.proargtypes) AS arguments_text,
    p.pronargs - p.pronargdefaults AS required,
    p.prorettype::bigint || COALESCE(p.proallargtypes::bigint[], '{}') AS results,
    p.provolatile::text AS volatility, l.lanname::text AS language, p.prokind::text AS kind,
    COALESCE(m.extension, '') AS extension, p.prosecdef AS definer, COALESCE(r.rolsuper, true) AS superuser,
    EXISTS (SELECT FROM pg_catalog.pg_proc b WHERE b.proname = p.proname AND b.oid <> p.oid
              AND b.pronamespace = 'pg_catalog'::pg_catalog.regnamespace) AS homonym,
    EXISTS (SELECT FROM pg_catalog.pg_proc b
            WHERE b.proname = p.proname AND b.proargtypes = p.proargtypes AND b.oid <> p.oid
              AND b.pronamespace = 'pg_catalog'::pg_catalog.regnamespace) AS twin,
    CASE WHEN a.aggfnoid IS NULL THEN '{}'::bigint[] ELSE pg_catalog.array_remove(ARRAY[
      a.aggtransfn::oid::bigint, a.aggfinalfn::oid::bigint, a.aggcombinefn::oid::bigint, a.aggserialfn::oid::bigint,
      a.aggdeserialfn::oid::bigint, a.aggmtransfn::oid::bigint, a.aggminvtransfn::oid::bigint,
      a.aggmfinalfn::oid::bigint], 0) END AS parts
  FROM pg_catalog.pg_proc p
  JOIN spaces n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
  LEFT JOIN member m ON m.oid = p.oid
  LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = p.oid
  WHERE p.oid >= 16384
),
operators AS MATERIALIZED (
  SELECT o.oid::bigint, n.name AS schema, o.oprname::text AS name, o.oprleft::bigint AS left, o.oprright::bigint AS right,
    o.oprresult::bigint AS result, o.oprcode::oid::bigint AS function,
    EXISTS (SELECT FROM pg_catalog.pg_operator b
            WHERE b.oprname = o.oprname AND b.oprleft = o.oprleft AND b.oprright = o.oprright AND b.oid <> o.oid
              AND b.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace) AS twin,
    -- Whether only a value of its user types can select it: see Operator.shielded.
    (o.oprleft >= 16384 OR o.oprright >= 16384) AND NOT EXISTS (
      SELECT FROM (VALUES (1, o.oprleft, o.oprright), (2, o.oprright, o.oprleft)) AS operand (place, type, other)
      JOIN pg_catalog.pg_type t ON t.oid = operand.type
      WHERE t.oid >= 16384 AND NOT (
        -- Nothing else becomes such a value by itself: not a row, not the base type of a domain, not by a cast.
        t.typtype IN ('b', 'e', 'r', 'm') AND t.typcategory NOT IN ('A', 'S') AND NOT t.typispreferred
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_cast c WHERE c.casttarget = t.oid AND c.castcontext = 'i')
        -- Between literals: other operators disagree about the category, so that it is ambiguous or a string.
        AND EXISTS (
          SELECT FROM pg_catalog.pg_operator b
          JOIN pg_catalog.pg_type u ON u.oid = CASE operand.place WHEN 1 THEN b.oprleft ELSE b.oprright END
          WHERE b.oprname = o.oprname AND b.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace AND b.oid < 16384
            AND (b.oprleft = 0) = (o.oprleft = 0) AND u.typcategory <> t.typcategory)
        -- Between a literal and a built-in value: that has an operator with itself, which comes first.
        AND (operand.other = 0 OR operand.other >= 16384 OR NOT EXISTS (
          SELECT FROM pg_catalog.pg_type k
          WHERE (k.oid = operand.other OR k.oid IN (SELECT c.castsource FROM pg_catalog.pg_cast c
                                                    WHERE c.casttarget = operand.other AND c.castcontext = 'i'))
            AND (k.typtype = 'p' OR k.typcategory = 'A' OR NOT EXISTS (
              SELECT FROM pg_catalog.pg_operator b WHERE b.oprname = o.oprname AND b.oprleft = k.oid AND b.oprright = k.oid
                AND b.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace AND b.oid < 16384))))
      )) AS shielded
  FROM pg_catalog.pg_operator o JOIN spaces n ON n.oid = o.oprnamespace
  WHERE o.oid >= 16384
),
casts AS MATERIALIZED (
  SELECT c.castsource::bigint AS source, c.casttarget::bigint AS target, c.castfunc::oid::bigint AS function,
    c.castcontext = 'i' AS implicit, pg_catalog.format_type(c.castsource, NULL) AS source_text,
    pg_catalog.format_type(c.casttarget, NULL) AS target_text,
    (SELECT t.typname::text FROM pg_catalog.pg_type t WHERE t.oid = c.casttarget) AS target_name
  FROM pg_catalog.pg_cast c WHERE c.oid >= 16384 AND c.castfunc <> 0
),
types AS MATERIALIZED (
  -- Row types and arrays are left out: there are two for each table, and they add nothing that their parts do not have.
  SELECT t.oid::bigint, n.name AS schema, t.typname::text AS name, t.typtype::text AS kind, t.typarray::bigint AS array,
    t.typbasetype::bigint AS base,
    pg_catalog.array_remove(ARRAY[t.typinput::oid::bigint, t.typoutput::oid::bigint, t.typmodin::oid::bigint,
      COALESCE(r.rngcanonical::oid, 0)::bigint, COALESCE(r.rngsubdiff::oid, 0)::bigint], 0) AS functions,
    COALESCE(r.rngsubopc, 0)::bigint AS opclass
  FROM pg_catalog.pg_type t
  JOIN spaces n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
  WHERE t.oid >= 16384 AND t.typtype <> 'c' AND t.typcategory <> 'A'
),
opclasses AS MATERIALIZED (
  -- What sorting, grouping, comparing and searching values of a type calls without any name in the statement.
  SELECT c.oid::bigint, c.opcname::text AS name, c.opcintype::bigint AS type, ARRAY(
    SELECT p.amproc::oid::bigint FROM pg_catalog.pg_amproc p WHERE p.amprocfamily = c.opcfamily
    UNION
    SELECT o.oprcode::oid::bigint FROM pg_catalog.pg_amop a JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr
    WHERE a.amopfamily = c.opcfamily AND o.oid >= 16384) AS functions
  FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_am m ON m.oid = c.opcmethod
  -- Other methods' support functions take pointers, and so are in C.
  WHERE c.oid >= 16384 AND m.amname IN ('btree', 'hash', 'gin', 'brin')
),
trees AS MATERIALIZED (
  -- Expressions that run although no statement names them: (what kind, its owner, where its dependencies are listed).
  SELECT 'relation' AS kind, w.ev_class::bigint AS owner, 'pg_catalog.pg_rewrite'::pg_catalog.regclass AS class, w.oid,
    w.ev_action::text AS tree
  FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class c ON c.oid = w.ev_class
  WHERE w.oid >= 16384 AND w.ev_type = '1' AND c.relkind = 'v'
  UNION ALL
  SELECT 'relation', p.polrelid::bigint, 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid, p.polqual::text
  FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
  WHERE c.relrowsecurity AND p.polcmd IN ('r', '*')
  UNION ALL
  SELECT 'type', k.contypid::bigint, 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid, k.conbin::text
  FROM pg_catalog.pg_constraint k WHERE k.contypid <> 0 AND k.oid >= 16384
),
planned AS MATERIALIZED (
  -- Expressions of tables that planning any read of them simplifies: what has no column in it then runs, if it claims
  -- to be immutable. Those of an index are its table's; partitions meet their parents' and parents their children's.
  WITH RECURSIVE own (oid, tree, key) AS (
    SELECT i.indrelid, pg_catalog.concat(i.indexprs::text, i.indpred::text), false FROM pg_catalog.pg_index i
    WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
    UNION ALL
    SELECT s.stxrelid, s.stxexprs::text, false FROM pg_catalog.pg_statistic_ext s WHERE s.stxexprs IS NOT NULL
    UNION ALL
    SELECT k.conrelid, k.conbin::text, false FROM pg_catalog.pg_constraint k WHERE k.contype = 'c' AND k.conrelid <> 0
    UNION ALL
    SELECT p.partrelid, p.partexprs::text, true FROM pg_catalog.pg_partitioned_table p WHERE p.partexprs IS NOT NULL
  ), up (oid, tree, key) AS (
    SELECT o.oid, o.tree, o.key FROM own o WHERE o.tree ~ ':(funcid|opno) [1-9]\d{4}'
    UNION
    SELECT i.inhparent, up.tree, false FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid
  ), down (oid, tree) AS (
    SELECT up.oid, up.tree FROM up WHERE up.key
    UNION
    SELECT i.inhrelid, down.tree FROM down JOIN pg_catalog.pg_inherits i ON i.inhparent = down.oid
  )
  SELECT oid::bigint AS owner, tree FROM up UNION SELECT oid::bigint, tree FROM down
),
simplified AS MATERIALIZED (
  -- The functions and operators in them that may run: not those with a column as their first argument that is no
  -- constant, unless they are in SQL, and so replaced by a text that may ignore the column.
  SELECT p.owner, m.found[1] AS what, m.found[2]::bigint AS object, false AS only_sql
  FROM planned p CROSS JOIN LATERAL pg_catalog.regexp_matches(pg_catalog.regexp_replace(p.tree,
    '(FUNCEXPR :funcid|OPEXPR :opno) \d+ [^{}]*:args \((\{CONST [^{}]*\} )*(\{RELABELTYPE :arg )?\{VAR ', '', 'g'),
    ':(funcid|opno) (\d+)', 'g') AS m (found)
  UNION
  SELECT p.owner, m.found[1], m.found[2]::bigint, true
  FROM planned p CROSS JOIN LATERAL pg_catalog.regexp_matches(p.tree, ':(funcid|opno) (\d+)', 'g') AS m (found)
),
outside AS MATERIALIZED (
  -- Foreign tables, and all that have one below them.
  WITH RECURSIVE up (oid) AS (
    SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relkind = 'f'
    UNION
    SELECT i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid
  )
  SELECT oid FROM up
),
reached AS MATERIALIZED (
  -- User objects are in pg_depend, whatever way the expression uses them; built-in ones only in the tree itself.
  SELECT DISTINCT t.kind, t.owner, CASE d.refclassid
      WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN 'function'
      WHEN 'pg_catalog.pg_operator'::pg_catalog.regclass THEN 'operator'
      WHEN 'pg_catalog.pg_type'::pg_catalog.regclass THEN 'type'
      ELSE 'relation' END AS what, d.refobjid::bigint AS object
  FROM trees t JOIN pg_catalog.pg_depend d ON d.classid = t.class AND d.objid = t.oid
  WHERE d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass,
      'pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_class'::pg_catalog.regclass)
    AND (d.refclassid <> 'pg_catalog.pg_class'::pg_catalog.regclass OR d.refobjid <> t.owner
      AND (d.refobjid IN (SELECT oid FROM outside) OR d.refobjid IN (SELECT owner::oid FROM planned)
        OR d.refobjid IN (SELECT owner::oid FROM trees WHERE kind = 'relation')))
  UNION
  SELECT t.kind, t.owner, CASE m.found[1] WHEN 'relid' THEN 'relation' ELSE 'function' END, m.found[2]::bigint
  FROM trees t CROSS JOIN LATERAL
    pg_catalog.regexp_matches(t.tree, ':(funcid|aggfnoid|winfnoid|tsmhandler|relid) (\d+)', 'g') AS m (found)
  WHERE m.found[2]::bigint BETWEEN 1 AND 16383
  UNION
  SELECT 'relation', s.owner, 'function', f.oid
  FROM simplified s
  LEFT JOIN pg_catalog.pg_operator o ON s.what = 'opno' AND o.oid = s.object
  JOIN functions f ON f.oid = COALESCE(o.oprcode::oid, s.object::oid)
  WHERE f.language = 'sql' OR NOT s.only_sql
),
special AS MATERIALIZED (
  SELECT c.oid::bigint, n.name AS schema, c.relname::text AS name, c.relkind::text AS kind, o.oid IS NOT NULL AS outside
  FROM pg_catalog.pg_class c
  JOIN spaces n ON n.oid = c.relnamespace
  LEFT JOIN outside o ON o.oid = c.oid
  WHERE o.oid IS NOT NULL OR c.oid IN (SELECT owner FROM reached WHERE kind = 'relation')
    OR c.oid IN (SELECT owner FROM trees WHERE kind = 'relation')
    OR c.oid IN (SELECT object FROM reached WHERE what = 'relation' AND object < 16384)
)
SELECT 'session', pg_catalog.json_build_array(pg_catalog.json_build_array(
    pg_catalog.current_setting('server_version_num')::int, (SELECT pg_catalog.json_agg(s.name ORDER BY p.place)
      FROM path p JOIN pg_catalog.pg_namespace n ON n.nspname = p.name JOIN spaces s ON s.oid = n.oid)))::text
UNION ALL
SELECT 'functions', pg_catalog.json_agg(pg_catalog.json_build_array(oid, schema, name, arguments, arguments_text, required,
    results, volatility, language, kind, extension, definer, superuser, homonym,
    twin, parts))::text FROM functions
UNION ALL
SELECT 'operators', pg_catalog.json_agg(pg_catalog.json_build_array(oid, schema, name, "left", "right", result, function,
    twin, shielded))::text FROM operators
UNION ALL
SELECT 'casts', pg_catalog.json_agg(pg_catalog.json_build_array(source, target, function, implicit,
    source_text, target_text, target_name))::text FROM casts
UNION ALL
SELECT 'types', pg_catalog.json_agg(pg_catalog.json_build_array(oid, schema, name, kind, "array", base, functions, opclass))::text
FROM types
UNION ALL
SELECT 'opclasses', pg_catalog.json_agg(pg_catalog.json_build_array(oid, name, type, functions))::text FROM opclasses
UNION ALL
SELECT 'reached', pg_catalog.json_agg(pg_catalog.json_build_array(kind, owner, what, object))::text FROM reached
UNION ALL
SELECT 'special', pg_catalog.json_agg(pg_catalog.json_build_array(oid, schema, name, kind, outside))::text FROM special
UNION ALL
SELECT 'names', pg_catalog.json_agg(pg_catalog.json_build_array(n.name, names.list))::text
FROM (SELECT c.relnamespace, pg_catalog.json_agg(c.relname) AS list FROM pg_catalog.pg_class c
      WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S', 'c') GROUP BY c.relnamespace) AS names
JOIN spaces n ON n.oid = names.relnamespace
JOIN pg_catalog.pg_namespace s ON s.oid = n.oid JOIN path ON path.name = s.nspname
UNION ALL
SELECT 'type_names', pg_catalog.json_agg(pg_catalog.json_build_array(t.oid::bigint, pg_catalog.format_type(t.oid, NULL)))::text
FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
WHERE t.typtype <> 'c' AND COALESCE(e.typtype, 'b') <> 'c'
UNION ALL
SELECT 'builtins', pg_catalog.json_agg(pg_catalog.json_build_array(p.oid::bigint, p.proname))::text
FROM pg_catalog.pg_proc p
WHERE p.oid < 16384 AND p.oid IN (
  SELECT object::oid FROM reached WHERE what = 'function' UNION SELECT function::oid FROM operators
  UNION SELECT function::oid FROM casts UNION SELECT unnest(parts)::oid FROM functions
  UNION SELECT unnest(functions)::oid FROM types UNION SELECT unnest(functions)::oid FROM opclasses);

-- name: guard_carriers
-- $1: type oids as an array literal. Rows (type oid, schema, name, one of $1): every type that has a value of the latter
-- somewhere inside (arrays, domains, ranges, composite types, and the row types of relations, which bear their names).
WITH RECURSIVE carrier (oid, origin) AS (
  SELECT o, o FROM unnest($1::oid[]) AS o
  UNION
  SELECT n.oid, c.origin
  FROM carrier c
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.refobjid = c.oid
  CROSS JOIN LATERAL (
    SELECT d.objid AS oid WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
    UNION ALL
    SELECT r.reltype FROM pg_catalog.pg_class r
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND r.oid = d.objid AND r.reltype <> 0
  ) AS n
)
SELECT c.oid, pg_catalog.regexp_replace(n.nspname::text, '^pg_temp_\d+$', 'pg_temp'), t.typname, c.origin
FROM carrier c
JOIN pg_catalog.pg_type t ON t.oid = c.oid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace;
