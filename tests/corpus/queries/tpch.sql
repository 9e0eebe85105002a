-- 22 questions to a parts wholesaler: the shapes of TPC-H, in words and constants of our own.

-- name: h01
SELECT l.l_returnflag AS flag, l.l_linestatus AS line_status,
       sum(l.l_quantity) AS quantity, sum(l.l_extendedprice) AS gross,
       sum(l.l_extendedprice * (1 - l.l_discount)) AS net,
       sum(l.l_extendedprice * (1 - l.l_discount) * (1 + l.l_tax)) AS charged,
       avg(l.l_quantity) AS mean_quantity, avg(l.l_discount) AS mean_discount, count(*) AS lines
FROM lineitem l
WHERE l.l_shipdate <= date '1998-09-15' - interval '75' day
GROUP BY l.l_returnflag, l.l_linestatus
ORDER BY 1, 2

-- name: h02
SELECT s.s_name, s.s_acctbal, n.n_name, p.p_partkey, s.s_phone
FROM part p, supplier s, partsupp ps, nation n, region r
WHERE p.p_partkey = ps.ps_partkey AND s.s_suppkey = ps.ps_suppkey AND p.p_size = 23 AND p.p_type LIKE '%COPPER'
  AND s.s_nationkey = n.n_nationkey AND n.n_regionkey = r.r_regionkey AND r.r_name = 'ASIA'
  AND ps.ps_supplycost = (
      SELECT min(cheap.ps_supplycost)
      FROM partsupp cheap, supplier s2, nation n2, region r2
      WHERE cheap.ps_partkey = p.p_partkey AND s2.s_suppkey = cheap.ps_suppkey
        AND s2.s_nationkey = n2.n_nationkey AND n2.n_regionkey = r2.r_regionkey AND r2.r_name = 'ASIA')
ORDER BY s.s_acctbal DESC, n.n_name, s.s_name
LIMIT 50

-- name: h03
SELECT o.o_orderkey, o.o_orderdate, o.o_shippriority, sum(l.l_extendedprice * (1 - l.l_discount)) AS open_value
FROM customer c
JOIN orders o ON o.o_custkey = c.c_custkey
JOIN lineitem l ON l.l_orderkey = o.o_orderkey
WHERE c.c_mktsegment = 'MACHINERY' AND o.o_orderdate < date '1995-04-02' AND l.l_shipdate > date '1995-04-02'
GROUP BY o.o_orderkey, o.o_orderdate, o.o_shippriority
ORDER BY open_value DESC, o.o_orderdate
FETCH FIRST 15 ROWS ONLY

-- name: h04
SELECT o_orderpriority AS priority, count(*) AS late_orders
FROM orders
WHERE o_orderdate >= date '1994-10-01' AND o_orderdate < date '1994-10-01' + interval '3 months'
  AND EXISTS (SELECT 1 FROM lineitem WHERE l_orderkey = o_orderkey AND l_receiptdate > l_commitdate)
GROUP BY o_orderpriority
ORDER BY priority

-- name: h05
SELECT n.n_name AS country, sum(l.l_extendedprice * (1 - l.l_discount)) AS local_revenue
FROM customer c, orders o, lineitem l, supplier s, nation n, region r
WHERE c.c_custkey = o.o_custkey AND l.l_orderkey = o.o_orderkey AND l.l_suppkey = s.s_suppkey
  AND c.c_nationkey = s.s_nationkey AND s.s_nationkey = n.n_nationkey AND n.n_regionkey = r.r_regionkey
  AND r.r_name = 'AFRICA' AND o.o_orderdate >= date '1996-01-01' AND o.o_orderdate < date '1996-01-01' + interval '1' year
GROUP BY n.n_name
ORDER BY local_revenue DESC

-- name: h06
SELECT sum(l_extendedprice * l_discount) AS forgone
FROM lineitem
WHERE l_shipdate >= date '1993-01-01' AND l_shipdate < date '1993-01-01' + interval '1' year
  AND l_discount BETWEEN 0.04 - 0.01 AND 0.04 + 0.01 AND l_quantity < 25

-- name: h07
SELECT seller, buyer, sold_in, sum(value) AS volume
FROM (
    SELECT a.n_name AS seller, b.n_name AS buyer, extract(year FROM l.l_shipdate) AS sold_in,
           l.l_extendedprice * (1 - l.l_discount) AS value
    FROM supplier s, lineitem l, orders o, customer c, nation a, nation b
    WHERE s.s_suppkey = l.l_suppkey AND o.o_orderkey = l.l_orderkey AND c.c_custkey = o.o_custkey
      AND s.s_nationkey = a.n_nationkey AND c.c_nationkey = b.n_nationkey
      AND ((a.n_name = 'PERU' AND b.n_name = 'KENYA') OR (a.n_name = 'KENYA' AND b.n_name = 'PERU'))
      AND l.l_shipdate BETWEEN date '1995-01-01' AND date '1996-12-31'
) AS trade
GROUP BY seller, buyer, sold_in
ORDER BY seller, buyer, sold_in

-- name: h08
WITH sales AS (
    SELECT extract(year FROM o.o_orderdate) AS sold_in, l.l_extendedprice * (1 - l.l_discount) AS value, maker.n_name AS country
    FROM part p
    JOIN lineitem l ON l.l_partkey = p.p_partkey
    JOIN supplier s ON s.s_suppkey = l.l_suppkey
    JOIN orders o ON o.o_orderkey = l.l_orderkey
    JOIN customer c ON c.c_custkey = o.o_custkey
    JOIN nation home ON home.n_nationkey = c.c_nationkey
    JOIN region r ON r.r_regionkey = home.n_regionkey
    JOIN nation maker ON maker.n_nationkey = s.s_nationkey
    WHERE r.r_name = 'EUROPE' AND p.p_type = 'SMALL PLATED TIN' AND o.o_orderdate BETWEEN date '1995-01-01' AND date '1996-12-31'
)
SELECT sold_in, sum(CASE WHEN country = 'ROMANIA' THEN value ELSE 0 END) / sum(value) AS share
FROM sales
GROUP BY sold_in
ORDER BY sold_in

-- name: h09
SELECT country, sold_in, sum(profit) AS profit
FROM (
    SELECT n.n_name AS country, extract(year FROM o.o_orderdate) AS sold_in,
           l.l_extendedprice * (1 - l.l_discount) - ps.ps_supplycost * l.l_quantity AS profit
    FROM part p, supplier s, lineitem l, partsupp ps, orders o, nation n
    WHERE s.s_suppkey = l.l_suppkey AND ps.ps_suppkey = l.l_suppkey AND ps.ps_partkey = l.l_partkey
      AND p.p_partkey = l.l_partkey AND o.o_orderkey = l.l_orderkey AND s.s_nationkey = n.n_nationkey AND p.p_name LIKE '%azure%'
) margins
GROUP BY country, sold_in
ORDER BY country, sold_in DESC

-- name: h10
SELECT c.c_custkey, c.c_name, sum(l.l_extendedprice * (1 - l.l_discount)) AS returned, c.c_acctbal, n.n_name, c.c_phone
FROM customer c, orders o, lineitem l, nation n
WHERE c.c_custkey = o.o_custkey AND l.l_orderkey = o.o_orderkey AND c.c_nationkey = n.n_nationkey AND l.l_returnflag = 'R'
  AND o.o_orderdate >= date '1993-07-01' AND o.o_orderdate < date '1993-07-01' + interval '3' month
GROUP BY c.c_custkey, c.c_name, c.c_acctbal, c.c_phone, n.n_name
ORDER BY returned DESC
LIMIT 25

-- name: h11
SELECT ps.ps_partkey, sum(ps.ps_supplycost * ps.ps_availqty) AS stock_value
FROM partsupp ps, supplier s, nation n
WHERE ps.ps_suppkey = s.s_suppkey AND s.s_nationkey = n.n_nationkey AND n.n_name = 'CANADA'
GROUP BY ps.ps_partkey
HAVING sum(ps.ps_supplycost * ps.ps_availqty) > (
    SELECT sum(x.ps_supplycost * x.ps_availqty) * 0.0002
    FROM partsupp x JOIN supplier y ON y.s_suppkey = x.ps_suppkey JOIN nation z ON z.n_nationkey = y.s_nationkey
    WHERE z.n_name = 'CANADA')
ORDER BY stock_value DESC

-- name: h12
SELECT l.l_shipmode,
       sum(CASE WHEN o.o_orderpriority = '1-URGENT' OR o.o_orderpriority = '2-HIGH' THEN 1 ELSE 0 END) AS pressing,
       sum(CASE WHEN o.o_orderpriority <> '1-URGENT' AND o.o_orderpriority <> '2-HIGH' THEN 1 ELSE 0 END) AS others
FROM orders o, lineitem l
WHERE o.o_orderkey = l.l_orderkey AND l.l_shipmode IN ('RAIL', 'FOB') AND l.l_commitdate < l.l_receiptdate
  AND l.l_shipdate < l.l_commitdate AND l.l_receiptdate >= date '1995-01-01' AND l.l_receiptdate < date '1995-01-01' + interval '1' year
GROUP BY l.l_shipmode
ORDER BY l.l_shipmode

-- name: h13
SELECT orders_made, count(*) AS customers
FROM (
    SELECT c.c_custkey, count(o.o_orderkey)
    FROM customer c LEFT OUTER JOIN orders o ON o.o_custkey = c.c_custkey AND o.o_comment NOT LIKE '%pending%accounts%'
    GROUP BY c.c_custkey
) AS per_customer (c_custkey, orders_made)
GROUP BY orders_made
ORDER BY customers DESC, orders_made DESC

-- name: h14
SELECT 100.00 * sum(CASE WHEN p.p_type LIKE 'PROMO%' THEN l.l_extendedprice * (1 - l.l_discount) ELSE 0 END)
       / sum(l.l_extendedprice * (1 - l.l_discount)) AS promoted_percent
FROM lineitem l JOIN part p ON p.p_partkey = l.l_partkey
WHERE l.l_shipdate >= date '1994-03-01' AND l.l_shipdate < date '1994-03-01' + interval '1' month

-- name: h15
WITH income (supplier_no, total) AS (
    SELECT l_suppkey, sum(l_extendedprice * (1 - l_discount))
    FROM lineitem
    WHERE l_shipdate >= date '1997-04-01' AND l_shipdate < date '1997-04-01' + interval '3' month
    GROUP BY l_suppkey
)
SELECT s.s_suppkey, s.s_name, s.s_address, s.s_phone, i.total
FROM supplier s, income i
WHERE s.s_suppkey = i.supplier_no AND i.total = (SELECT max(total) FROM income)
ORDER BY s.s_suppkey

-- name: h16
SELECT p.p_brand, p.p_type, p.p_size, count(DISTINCT ps.ps_suppkey) AS suppliers
FROM partsupp ps, part p
WHERE p.p_partkey = ps.ps_partkey AND p.p_brand <> 'Brand#31' AND p.p_type NOT LIKE 'ECONOMY BRUSHED%'
  AND p.p_size IN (4, 8, 15, 16, 23, 36, 42, 48)
  AND ps.ps_suppkey NOT IN (SELECT s_suppkey FROM supplier WHERE s_comment LIKE '%Customer%Complaints%')
GROUP BY p.p_brand, p.p_type, p.p_size
ORDER BY suppliers DESC, p.p_brand, p.p_type, p.p_size

-- name: h17
SELECT sum(l.l_extendedprice) / 7.0 AS yearly_mean
FROM lineitem l, part p
WHERE p.p_partkey = l.l_partkey AND p.p_brand = 'Brand#42' AND p.p_container = 'LG BAG'
  AND l.l_quantity < (SELECT 0.2 * avg(x.l_quantity) FROM lineitem x WHERE x.l_partkey = p.p_partkey)

-- name: h18
SELECT c.c_name, c.c_custkey, o.o_orderkey, o.o_orderdate, o.o_totalprice, sum(l.l_quantity)
FROM customer c, orders o, lineitem l
WHERE o.o_orderkey IN (SELECT l_orderkey FROM lineitem GROUP BY l_orderkey HAVING sum(l_quantity) > 312)
  AND c.c_custkey = o.o_custkey AND o.o_orderkey = l.l_orderkey
GROUP BY c.c_name, c.c_custkey, o.o_orderkey, o.o_orderdate, o.o_totalprice
ORDER BY o.o_totalprice DESC, o.o_orderdate
LIMIT 100

-- name: h19
SELECT sum(l.l_extendedprice * (1 - l.l_discount)) AS revenue
FROM lineitem l, part p
WHERE (p.p_partkey = l.l_partkey AND p.p_brand = 'Brand#21' AND p.p_container IN ('SM BOX', 'SM PACK')
       AND l.l_quantity >= 5 AND l.l_quantity <= 5 + 10 AND p.p_size BETWEEN 1 AND 5 AND l.l_shipinstruct = 'DELIVER IN PERSON')
   OR (p.p_partkey = l.l_partkey AND p.p_brand = 'Brand#33' AND p.p_container IN ('MED BAG', 'MED PKG')
       AND l.l_quantity >= 12 AND l.l_quantity <= 12 + 10 AND p.p_size BETWEEN 1 AND 10 AND l.l_shipmode IN ('AIR', 'REG AIR'))

-- name: h20
SELECT s.s_name, s.s_address
FROM supplier s, nation n
WHERE s.s_suppkey IN (
        SELECT ps.ps_suppkey FROM partsupp ps
        WHERE ps.ps_partkey IN (SELECT p_partkey FROM part WHERE p_name LIKE 'linen%')
          AND ps.ps_availqty > (
              SELECT 0.5 * sum(l_quantity) FROM lineitem
              WHERE l_partkey = ps.ps_partkey AND l_suppkey = ps.ps_suppkey
                AND l_shipdate >= date '1995-01-01' AND l_shipdate < date '1995-01-01' + interval '1' year))
  AND s.s_nationkey = n.n_nationkey AND n.n_name = 'JORDAN'
ORDER BY s.s_name

-- name: h21
SELECT s.s_name, count(*) AS waits
FROM supplier s, lineitem late, orders o, nation n
WHERE s.s_suppkey = late.l_suppkey AND o.o_orderkey = late.l_orderkey AND o.o_orderstatus = 'F'
  AND late.l_receiptdate > late.l_commitdate
  AND EXISTS (SELECT * FROM lineitem b WHERE b.l_orderkey = late.l_orderkey AND b.l_suppkey <> late.l_suppkey)
  AND NOT EXISTS (SELECT * FROM lineitem b WHERE b.l_orderkey = late.l_orderkey AND b.l_suppkey <> late.l_suppkey
                  AND b.l_receiptdate > b.l_commitdate)
  AND s.s_nationkey = n.n_nationkey AND n.n_name = 'BRAZIL'
GROUP BY s.s_name
ORDER BY waits DESC, s.s_name
LIMIT 100

-- name: h22
SELECT prefix, count(*) AS customers, sum(c_acctbal) AS balance
FROM (
    SELECT substring(c.c_phone FROM 1 FOR 2) AS prefix, c.c_acctbal
    FROM customer c
    WHERE substring(c.c_phone FROM 1 FOR 2) IN ('11', '19', '22', '25', '30', '31', '33')
      AND c.c_acctbal > (SELECT avg(r.c_acctbal) FROM customer r
                         WHERE r.c_acctbal > 0.00 AND substring(r.c_phone FROM 1 FOR 2) IN ('11', '19', '22', '25', '30', '31', '33'))
      AND NOT EXISTS (SELECT FROM orders o WHERE o.o_custkey = c.c_custkey)
) AS idle
GROUP BY prefix
ORDER BY prefix
