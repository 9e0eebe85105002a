"""Masks on a real server: what is shown, what is refused, and attempts to get a masked value out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from fix_db import Server
from masked import KEY, Masked, masked, rule
from pgwarden.guard.masks import show
from pgwarden.policy.masks import Mask

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, name text, email text, phone varchar(20), ssn text, born date, code text,
  shout text GENERATED ALWAYS AS (upper(email)) STORED);
INSERT INTO customers VALUES (1, 'Ann', 'SECRET-ann@x', '0SECRET99', 'SECRET-1', '1980-01-01', 'SECRET-C1'),
  (2, 'Bob', 'SECRET-bob@x', NULL, 'SECRET-2', '1990-01-01', 'SECRET-C2');
CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers ON DELETE CASCADE, total numeric,
  email text, note text);
INSERT INTO orders VALUES (1, 1, 10, 'plain@o', 'n');
CREATE TABLE vip (extra text) INHERITS (customers);
INSERT INTO vip (id, name, email) VALUES (3, 'Vic', 'SECRET-vic');
CREATE VIEW v AS SELECT id, email AS contact, name, lower(email) AS low FROM customers;
CREATE VIEW vv AS SELECT contact, id FROM v;
CREATE VIEW vu AS SELECT email FROM customers UNION ALL SELECT email FROM orders;
CREATE VIEW vw AS SELECT to_jsonb(c) AS j FROM customers c;
CREATE VIEW totals AS SELECT c.id, sum(o.total) AS total
  FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.id;
CREATE MATERIALIZED VIEW mv AS SELECT * FROM customers;
"""
RULES = (
    rule("public.customers.email", "redact"),
    rule("public.customers.phone", "partial", first=1, last=2),
    rule("public.customers.ssn", "hash"),
    rule("public.customers.born", "null"),
    rule("public.customers.code", "redact", "filter", "order", "group", "join"),
)


@pytest.fixture(scope="module")
def url(any_server: Server) -> Iterator[str]:
    """One database for the module: every statement is rolled back."""
    name = any_server.create_database()
    url = any_server.url(name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA)
    yield url
    any_server.drop_database(name)


@pytest.fixture(scope="module")
def shop(url: str) -> Iterator[Masked]:
    """The database under the rules."""
    found = asyncio.run(masked(url, *RULES))
    with closing(found.connection):
        yield found


HASH = show("SECRET-1", Mask("hash"), KEY)
ANN = ("1", "Ann", "[redacted]", "0*****99", HASH, None, "[redacted]", "[redacted]")


@pytest.mark.parametrize(
    ("sql", "first"),
    [
        ("SELECT * FROM customers", ANN),
        ("TABLE customers", ANN),
        ("TABLE ONLY customers", ANN),
        ("SELECT * FROM customers *", ANN),
        ("SELECT c.* FROM public.customers AS c", ANN),
        ("SELECT * FROM mv", ANN),
        ("SELECT contact, low FROM v", ("[redacted]", "[redacted]")),
        ("SELECT contact FROM vv", ("[redacted]",)),
        ("SELECT * FROM vu", ("[redacted]",)),
        ("SELECT * FROM vw", ("[redacted]",)),
        ("SELECT * FROM totals", ("1", "10")),
        ("SELECT email, shout FROM vip", ("[redacted]", "[redacted]")),
        ("SELECT b FROM customers AS a(x, y, b)", ("[redacted]",)),
        ("SELECT email FROM customers UNION ALL SELECT email FROM orders", ("[redacted]",)),
        ("WITH x AS (SELECT * FROM customers) SELECT email FROM x", ("[redacted]",)),
        ("SELECT string_agg(email, ',') FROM ONLY customers", ("[redacted],[redacted]",)),
        ("SELECT (SELECT email FROM customers LIMIT 1) AS e", ("[redacted]",)),
        ("SELECT to_jsonb(c) ->> 'email' FROM customers c", ("[redacted]",)),
        ("SELECT json_build_object('e', email) FROM customers", ('{"e" : "[redacted]"}',)),
        ("SELECT o.email FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.email > ''", ("plain@o",)),
    ],
)
def test_reads_see_masked_values(shop: Masked, sql: str, first: tuple[str | None, ...]) -> None:
    """Whatever way a masked column takes to the output, its mask is on it."""
    assert shop.run(sql).rows[0] == first


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT id FROM customers WHERE code = 'SECRET-C1'", [("1",)]),
        ("SELECT code AS k FROM customers WHERE id < 3 ORDER BY k DESC", [("[redacted]",), ("[redacted]",)]),
        ("SELECT code, count(*) FROM ONLY customers GROUP BY code", [("[redacted]", "1"), ("[redacted]", "1")]),
        ("SELECT c.* FROM customers c WHERE c.code LIKE '%C1' AND c.id = 1", [ANN]),
        ("SELECT c.id FROM customers c JOIN orders o ON c.code = o.email", []),
        ("SELECT vv.contact FROM vv JOIN customers c ON c.id = vv.id WHERE c.code = 'SECRET-C1'", [("[redacted]",)]),
        ("UPDATE customers SET name = 'x' WHERE code = 'SECRET-C1' RETURNING id, code", [("1", "[redacted]")]),
    ],
)
def test_permitted_uses_see_real_values_and_show_masked_ones(
    shop: Masked, sql: str, rows: list[tuple[str | None, ...]]
) -> None:
    """A rule's permit lets a plain statement filter, order, group and join by what is there; the output is masked."""
    assert shop.run(sql).rows == rows


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("UPDATE customers SET email = 'x' WHERE id = 1 RETURNING *", [ANN]),
        ("UPDATE customers SET (email, name) = ('a', 'b') WHERE id = 1 RETURNING email AS e", [("[redacted]",)]),
        ("INSERT INTO customers (id, email) VALUES (9, 'mine') RETURNING id, email", [("9", "[redacted]")]),
        (
            "INSERT INTO customers (id, email) VALUES (1, 'm') ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email"
            " RETURNING email",
            [("[redacted]",)],
        ),
        ("DELETE FROM customers WHERE id IN (SELECT o.id FROM orders o WHERE o.email = 'a') RETURNING *", []),
        ("UPDATE v SET contact = 'q' WHERE id = 1 RETURNING contact", [("[redacted]",)]),
        ("INSERT INTO orders (id, email) SELECT id + 10, email FROM vip RETURNING email", [("[redacted]",)]),
        ("WITH customers AS (SELECT 1) DELETE FROM customers WHERE id = 1 RETURNING *", [ANN]),
        ("WITH x AS (UPDATE customers SET name = 'x' WHERE id = 1 RETURNING id) SELECT * FROM x", [("1",)]),
    ],
)
def test_changes_write_and_return_masked_columns(shop: Masked, sql: str, rows: list[tuple[str | None, ...]]) -> None:
    """Masked columns can be written; what RETURNING gives of them is masked."""
    assert shop.run(sql).rows == rows


ATTACKS = """
SELECT upper(email) FROM customers
SELECT email::int FROM customers
SELECT id FROM customers WHERE email = 'SECRET-ann@x'
SELECT id FROM customers WHERE email LIKE 'SECRET%'
SELECT id, email FROM customers ORDER BY email
SELECT id, email FROM customers ORDER BY 2
SELECT * FROM customers ORDER BY 3
SELECT email, count(*) FROM customers GROUP BY email
SELECT DISTINCT email FROM customers
SELECT DISTINCT ON (email) id FROM customers
SELECT email FROM customers UNION SELECT email FROM orders
(SELECT email FROM customers) INTERSECT (SELECT email FROM orders)
SELECT count(DISTINCT email) FROM customers
SELECT (SELECT max(b) FROM customers AS c(a, n, b))
SELECT string_agg(email, ',' ORDER BY email) FROM customers
SELECT row_number() OVER (ORDER BY email) FROM customers
SELECT * FROM customers JOIN orders USING (email)
SELECT c.id FROM customers c JOIN orders o ON c.email = o.email
SELECT id FROM customers NATURAL JOIN orders
SELECT (SELECT email FROM customers LIMIT 1) = 'SECRET'
SELECT 1 WHERE 'x' IN (SELECT email FROM customers)
SELECT 1 / length(s.e) FROM (SELECT email AS e FROM customers) s
WITH x AS (SELECT email AS e FROM customers) SELECT e FROM x WHERE e > 'S'
SELECT ctid FROM customers
SELECT public.customers.email FROM public.customers
SELECT * FROM customers TABLESAMPLE SYSTEM (100)
SELECT most_common_vals FROM pg_stats
SELECT stavalues1 FROM pg_catalog.pg_statistic
SELECT * FROM pg_toast.pg_toast_1
SELECT to_jsonb(c) FROM customers c WHERE code > ''
SELECT c.to_jsonb FROM customers c WHERE code > ''
SELECT customers FROM customers WHERE code > ''
SELECT (c.*)::text FROM customers c WHERE code > ''
SELECT count(c.*) FROM customers c WHERE code > ''
SELECT j FROM customers c, LATERAL to_jsonb(c) j WHERE code > ''
SELECT x.* FROM customers c CROSS JOIN LATERAL (SELECT c.*) x WHERE code > ''
SELECT j.code FROM (customers c JOIN orders o ON c.code = o.email) j
SELECT code FROM customers JOIN orders USING (code)
SELECT code FROM customers c(id, code) WHERE code > ''
SELECT code || '' FROM customers WHERE code > ''
SELECT code::varchar(3) FROM customers WHERE code > ''
SELECT code COLLATE "C" FROM customers WHERE code > ''
SELECT max(code) FROM customers WHERE code > ''
SELECT id FROM customers WHERE code::int = 1
SELECT id FROM customers WHERE (code)::int = 1
SELECT id FROM customers WHERE length(code) > 3
SELECT id FROM customers WHERE 'a' || code = 'b'
SELECT id FROM customers WHERE CASE WHEN code > 'a' THEN 1/0 = 1 END
SELECT id FROM customers WHERE (code, 1) = ('SECRET-C1', 1)
SELECT code FROM customers GROUP BY code HAVING max(code) > 'a'
SELECT email FROM customers WHERE code > '' GROUP BY (1)
SELECT email AS k FROM customers WHERE code > '' ORDER BY k
SELECT * FROM customers WHERE code > '' ORDER BY 3
SELECT DISTINCT * FROM customers WHERE code > ''
SELECT code FROM customers WHERE code > '' UNION ALL SELECT 'x'
UPDATE customers SET name = email RETURNING name
UPDATE customers SET (name, note) = (email, '')
UPDATE customers SET name = 'x' WHERE email = 'SECRET-ann@x'
UPDATE customers SET name = 'x' WHERE (SELECT email) = 'x'
UPDATE customers c SET name = to_jsonb(c)
UPDATE customers c SET name = 'x' RETURNING to_jsonb(c)
UPDATE customers c SET name = 'x' RETURNING c.to_jsonb
UPDATE customers c SET name = 'x' RETURNING c
UPDATE customers c SET name = 'x' RETURNING c, 1
UPDATE customers c SET name = 'x' RETURNING email || ''
UPDATE ONLY (customers) c SET name = 'x' RETURNING to_jsonb(c)
DELETE FROM customers overriding RETURNING to_jsonb(overriding)
DELETE FROM customers "set" RETURNING to_jsonb("set")
WITH customers AS (SELECT 1) UPDATE customers SET name = 'x' RETURNING to_jsonb(customers)
UPDATE customers * c SET name = 'x' RETURNING to_jsonb(c)
DELETE FROM customers AS values RETURNING to_jsonb(values)
UPDATE customers c SET name = 'x' RETURNING (SELECT to_jsonb(s) FROM (SELECT c.*) s)
UPDATE customers c SET name = 'x' RETURNING 1 set, email = 'SECRET-ann@x'
UPDATE customers SET name = q.x FROM (SELECT email AS x FROM customers) q
UPDATE customers SET name = (SELECT x.email FROM customers x WHERE x.id = customers.id)
UPDATE customers SET name = 'x' RETURNING old
UPDATE customers SET name = 'x' RETURNING WITH (OLD AS o) o.email
UPDATE orders SET note = c.email FROM customers c
UPDATE vip SET name = email
UPDATE v SET name = low
WITH x AS (UPDATE customers SET name = 'x' RETURNING *) SELECT * FROM x
WITH x AS (UPDATE customers SET name = 'x' RETURNING email AS e) SELECT upper(e) FROM x
DELETE FROM customers WHERE email LIKE 'S%'
DELETE FROM orders o USING customers c WHERE c.email = o.email
INSERT INTO customers (id, email) VALUES (9, 'mine') RETURNING upper(email)
INSERT INTO customers (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = customers.email RETURNING name
INSERT INTO customers (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'x' WHERE customers.email > 'S'
INSERT INTO customers (id, email) VALUES (9, 'g') ON CONFLICT (email) DO UPDATE SET name = 'x' RETURNING id
INSERT INTO customers AS c (id, email) VALUES (9, 'g') ON CONFLICT (id, "email") DO UPDATE SET name = 'x' RETURNING id
INSERT INTO customers (id, email) VALUES (9, 'g') ON CONFLICT ON CONSTRAINT k DO UPDATE SET name = 'x' RETURNING id
WITH x AS (INSERT INTO customers (email) VALUES ('g') ON CONFLICT (email) DO UPDATE SET name = 'x' RETURNING id) SELECT
INSERT INTO customers SELECT * FROM customers
WITH c AS (SELECT * FROM customers) INSERT INTO customers SELECT * FROM c
INSERT INTO orders (id, note) VALUES (99, (SELECT email FROM customers WHERE id = 1)) RETURNING note
MERGE INTO customers t USING orders s ON t.email = s.email WHEN MATCHED THEN DELETE
MERGE INTO customers t USING orders s ON t.id = s.id WHEN MATCHED AND t.email = 'x' THEN DELETE
MERGE INTO customers t USING orders s ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = t.email
MERGE INTO customers t USING orders s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id, email) VALUES (s.id, t.email)
MERGE INTO customers t USING orders s ON t.id = s.id WHEN MATCHED THEN DELETE RETURNING 1 update, 2 set, email = 'S'
INSERT INTO orders (id, email) SELECT 50, code FROM customers WHERE code > 'A' RETURNING email
CREATE TABLE z AS SELECT code FROM customers WHERE code > 'A'
CREATE VIEW w AS SELECT * FROM customers
CREATE MATERIALIZED VIEW w AS SELECT * FROM customers
CREATE TABLE x () INHERITS (customers)
ALTER TABLE customers RENAME TO cc
ALTER TABLE customers RENAME COLUMN email TO e
ALTER TABLE customers ADD CHECK (email <> 'x')
ALTER TABLE customers ADD CHECK (customers IS NOT NULL)
ALTER TABLE customers ADD COLUMN e text GENERATED ALWAYS AS (email) STORED
ALTER TABLE vip NO INHERIT customers
ALTER SCHEMA public RENAME TO p
CREATE INDEX ON customers (lower(email))
CREATE INDEX ON customers (id) WHERE email = 'x'
CREATE STATISTICS s ON email, name FROM customers
CREATE TRIGGER t BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION f()
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'
EXPLAIN SELECT id FROM customers WHERE ssn = 'x'
EXPLAIN DELETE FROM customers WHERE email = 'x'
"""


@pytest.mark.parametrize("sql", ATTACKS.strip().splitlines())
def test_other_uses_are_refused(shop: Masked, sql: str) -> None:
    """What computes with a masked column, or moves it out from under its mask, is refused by the guard, clearly."""
    verdict = shop.judge(sql)
    assert not verdict.accepted, verdict.canonical
    assert not verdict.fault
    assert verdict.code in ("mask_violation", "relation_not_allowed")
    assert "SECRET" not in verdict.message + verdict.hint


HARMLESS = """
SELECT array_agg(c) FROM customers c
SELECT CAST(c AS text) FROM customers c
SELECT id FROM customers c WHERE c = ROW(1, 2)
SELECT * FROM customers c WHERE to_jsonb(c) ->> 'email' LIKE 'SECRET%'
SELECT (j ->> 'email')::int FROM (SELECT to_jsonb(c) AS j FROM customers c) s
SELECT xmlelement(name a, c::text) FROM customers c
SELECT x FROM customers c, LATERAL jsonb_each_text(to_jsonb(c)) x
WITH RECURSIVE r(a, b) AS (SELECT id, email FROM customers UNION ALL SELECT a, b FROM r WHERE a < 0) SELECT * FROM r
VALUES ((SELECT array_agg(x.*)::text FROM customers x))
SELECT id FROM customers ORDER BY to_jsonb(customers)
EXPLAIN VERBOSE SELECT * FROM customers
EXPLAIN (FORMAT JSON) SELECT * FROM customers WHERE code = 'x'
CREATE TABLE copied AS SELECT * FROM customers
INSERT INTO customers (id, email) VALUES (1, 'duplicate')
INSERT INTO customers (id, born) VALUES (7, 'no date')
UPDATE customers SET id = 1
UPDATE orders SET customer_id = 77
DELETE FROM orders o USING customers c WHERE c.id = o.customer_id RETURNING c, c.email, c.*
CREATE INDEX ON customers (email)
TRUNCATE customers CASCADE
"""


@pytest.mark.parametrize("sql", HARMLESS.strip().splitlines())
def test_no_value_comes_out(shop: Masked, sql: str) -> None:
    """What is accepted gives no masked value away, in rows or in errors."""
    answer = shop.run(sql)
    assert answer.verdict.accepted, answer.verdict.message
    assert "SECRET" not in answer.text


def test_old_and_new_are_masked(shop: Masked) -> None:
    """RETURNING OLD and NEW give plain columns, which are masked by their origin."""
    answer = shop.run("UPDATE customers SET name = 'x' WHERE id = 1 RETURNING old.email, new.*")
    if shop.connection.info.server_version >= 180000:
        assert answer.rows == [("[redacted]", "1", "x", *ANN[2:])]
    assert "SECRET" not in answer.text


def test_the_key_is_in_no_text(shop: Masked) -> None:
    """The key of a hash is bound behind the caller's parameters, and a plan shows none."""
    verdict = shop.judge("SELECT ssn FROM customers WHERE id = $1")
    assert verdict.masking is not None
    assert verdict.masking.parameters == (KEY.hex(),)
    assert verdict.parameters == 1
    assert KEY.hex() not in verdict.canonical + verdict.plannable
    assert "$2" in verdict.canonical
    assert "$2" not in verdict.plannable
    assert shop.run("SELECT ssn FROM customers WHERE id = $1", "1").rows == [(HASH,)]


def test_a_rule_for_the_view_itself_wins(url: str) -> None:
    """A view's expression over a masked column can be taken out of the mask; the last rule counts."""
    found = asyncio.run(masked(url, *RULES, rule("public.v.contact", "null"), rule("public.v.low", "clear")))
    with closing(found.connection):
        assert found.run("SELECT contact, low FROM v WHERE id = 1").rows == [(None, "secret-ann@x")]
