-- 99 questions to a retailer, 1 to 50: the shapes of TPC-DS, in words and constants of our own.

-- name: d01
WITH returned AS (
    SELECT sr_customer_sk AS who, sr_store_sk AS place, sum(sr_fee) AS amount
    FROM store_returns JOIN date_dim ON sr_returned_date_sk = d_date_sk WHERE d_year = 2001 GROUP BY 1, 2)
SELECT c_customer_id FROM returned a, store, customer
WHERE a.amount > (SELECT avg(b.amount) * 1.2 FROM returned b WHERE b.place = a.place)
  AND s_store_sk = a.place AND s_state = 'OH' AND a.who = c_customer_sk
ORDER BY c_customer_id LIMIT 100

-- name: d02
WITH both_channels AS (
    SELECT ws_sold_date_sk AS sold, ws_ext_sales_price AS price FROM web_sales
    UNION ALL SELECT cs_sold_date_sk, cs_ext_sales_price FROM catalog_sales
), weekly AS (
    SELECT d_week_seq, sum(CASE WHEN d_day_name = 'Sunday' THEN price END) AS sun, sum(CASE WHEN d_day_name = 'Friday' THEN price END) AS fri
    FROM both_channels, date_dim WHERE d_date_sk = sold GROUP BY d_week_seq)
SELECT y.d_week_seq, round(y.sun / z.sun, 2), round(y.fri / z.fri, 2)
FROM weekly y JOIN weekly z ON y.d_week_seq = z.d_week_seq - 53
WHERE y.d_week_seq IN (SELECT d_week_seq FROM date_dim WHERE d_year = 2000) ORDER BY y.d_week_seq

-- name: d03
SELECT d.d_year, i.i_brand_id, i.i_brand, sum(ss.ss_net_profit) AS profit
FROM date_dim d, store_sales ss, item i
WHERE d.d_date_sk = ss.ss_sold_date_sk AND ss.ss_item_sk = i.i_item_sk AND i.i_manufact_id = 341 AND d.d_moy = 12
GROUP BY d.d_year, i.i_brand, i.i_brand_id ORDER BY d.d_year, profit DESC, i.i_brand_id LIMIT 100

-- name: d04
WITH totals AS (
    SELECT c_customer_id AS id, c_first_name AS first, d_year AS yr, sum((ss_ext_list_price - ss_ext_discount_amt) / 2) AS total, 's' AS channel
    FROM customer, store_sales, date_dim WHERE c_customer_sk = ss_customer_sk AND ss_sold_date_sk = d_date_sk GROUP BY 1, 2, 3
    UNION ALL
    SELECT c_customer_id, c_first_name, d_year, sum((cs_ext_list_price - cs_ext_discount_amt) / 2), 'c'
    FROM customer, catalog_sales, date_dim WHERE c_customer_sk = cs_bill_customer_sk AND cs_sold_date_sk = d_date_sk GROUP BY 1, 2, 3
    UNION ALL
    SELECT c_customer_id, c_first_name, d_year, sum((ws_ext_list_price - ws_ext_discount_amt) / 2), 'w'
    FROM customer, web_sales, date_dim WHERE c_customer_sk = ws_bill_customer_sk AND ws_sold_date_sk = d_date_sk GROUP BY 1, 2, 3)
SELECT s2.id, s2.first
FROM totals s1, totals s2, totals c1, totals c2, totals w1, totals w2
WHERE s2.id = s1.id AND c1.id = s1.id AND c2.id = s1.id AND w1.id = s1.id AND w2.id = s1.id
  AND s1.channel = 's' AND c1.channel = 'c' AND w1.channel = 'w' AND s2.channel = 's' AND c2.channel = 'c' AND w2.channel = 'w'
  AND s1.yr = 1999 AND s2.yr = 2000 AND c1.yr = 1999 AND c2.yr = 2000 AND w1.yr = 1999 AND w2.yr = 2000
  AND CASE WHEN c1.total > 0 THEN c2.total / c1.total END > CASE WHEN s1.total > 0 THEN s2.total / s1.total END
  AND CASE WHEN c1.total > 0 THEN c2.total / c1.total END > CASE WHEN w1.total > 0 THEN w2.total / w1.total END
ORDER BY 1, 2 LIMIT 100

-- name: d05
WITH shops AS (
    SELECT s_store_id, sum(sales) AS sales, sum(profit) AS profit, sum(given_back) AS given_back
    FROM (SELECT ss_store_sk AS sk, ss_sold_date_sk AS day_sk, ss_ext_sales_price AS sales, ss_net_profit AS profit, 0::numeric AS given_back FROM store_sales
          UNION ALL SELECT sr_store_sk, sr_returned_date_sk, 0, 0, sr_return_amt FROM store_returns) x, date_dim, store
    WHERE day_sk = d_date_sk AND d_date BETWEEN cast('2000-08-19' AS date) AND cast('2000-08-19' AS date) + interval '14 days' AND sk = s_store_sk
    GROUP BY s_store_id
), pages AS (
    SELECT cp_catalog_page_id, sum(cs_ext_sales_price) AS sales, sum(cs_net_profit) AS profit, 0::numeric AS given_back
    FROM catalog_sales, date_dim, catalog_page WHERE cs_sold_date_sk = d_date_sk AND cs_catalog_page_sk = cp_catalog_page_sk GROUP BY cp_catalog_page_id)
SELECT channel, id, sum(sales) AS sales, sum(given_back) AS given_back, sum(profit) AS profit
FROM (SELECT 'store' AS channel, 'store' || s_store_id AS id, sales, given_back, profit FROM shops
      UNION ALL SELECT 'catalog', 'page' || cp_catalog_page_id, sales, given_back, profit FROM pages) x
GROUP BY ROLLUP (channel, id) ORDER BY channel, id LIMIT 100

-- name: d06
SELECT a.ca_state AS state, count(*) AS cnt
FROM customer_address a, customer c, store_sales s, date_dim d, item i
WHERE a.ca_address_sk = c.c_current_addr_sk AND c.c_customer_sk = s.ss_customer_sk AND s.ss_sold_date_sk = d.d_date_sk AND s.ss_item_sk = i.i_item_sk
  AND d.d_month_seq = (SELECT DISTINCT d_month_seq FROM date_dim WHERE d_year = 2000 AND d_moy = 2)
  AND i.i_current_price > 1.2 * (SELECT avg(j.i_current_price) FROM item j WHERE j.i_category = i.i_category)
GROUP BY a.ca_state HAVING count(*) >= 10 ORDER BY cnt, state LIMIT 100

-- name: d07
SELECT i_item_id, avg(ss_quantity) AS quantity, avg(ss_list_price) AS listed, avg(ss_coupon_amt) AS coupons, avg(ss_sales_price) AS paid
FROM store_sales
JOIN customer_demographics ON ss_cdemo_sk = cd_demo_sk
JOIN date_dim ON ss_sold_date_sk = d_date_sk
JOIN item ON ss_item_sk = i_item_sk
JOIN promotion ON ss_promo_sk = p_promo_sk
WHERE cd_gender = 'M' AND cd_marital_status = 'S' AND cd_education_status = 'College' AND (p_channel_email = 'N' OR p_channel_event = 'N') AND d_year = 2001
GROUP BY i_item_id ORDER BY i_item_id LIMIT 100

-- name: d08
SELECT s_store_name, sum(ss_net_profit)
FROM store_sales, date_dim, store, (
    SELECT ca_zip FROM (
        SELECT substr(ca_zip, 1, 5) AS ca_zip FROM customer_address WHERE substr(ca_zip, 1, 5) IN ('24128', '57834', '13354', '15734', '78668')
        INTERSECT
        SELECT ca_zip FROM (SELECT substr(ca_zip, 1, 5) AS ca_zip, count(*) AS cnt FROM customer_address, customer
            WHERE ca_address_sk = c_current_addr_sk AND c_preferred_cust_flag = 'Y' GROUP BY ca_zip HAVING count(*) > 10) a1) a2) v1
WHERE ss_store_sk = s_store_sk AND ss_sold_date_sk = d_date_sk AND d_qoy = 2 AND d_year = 1999 AND substr(s_zip, 1, 2) = substr(v1.ca_zip, 1, 2)
GROUP BY s_store_name ORDER BY s_store_name LIMIT 100

-- name: d09
SELECT CASE WHEN (SELECT count(*) FROM store_sales WHERE ss_quantity BETWEEN 1 AND 20) > 70000
            THEN (SELECT avg(ss_ext_discount_amt) FROM store_sales WHERE ss_quantity BETWEEN 1 AND 20)
            ELSE (SELECT avg(ss_net_paid) FROM store_sales WHERE ss_quantity BETWEEN 1 AND 20) END AS low,
       CASE WHEN (SELECT count(*) FROM store_sales WHERE ss_quantity BETWEEN 21 AND 40) > 12000
            THEN (SELECT avg(ss_ext_discount_amt) FROM store_sales WHERE ss_quantity BETWEEN 21 AND 40)
            ELSE (SELECT avg(ss_net_paid) FROM store_sales WHERE ss_quantity BETWEEN 21 AND 40) END AS high
FROM reason WHERE r_reason_sk = 1

-- name: d10
SELECT cd_gender, cd_marital_status, count(*) AS cnt1, cd_dep_count, count(*) AS cnt2
FROM customer c, customer_address ca, customer_demographics
WHERE c.c_current_addr_sk = ca.ca_address_sk AND ca_county IN ('Rush County', 'Toole County') AND cd_demo_sk = c.c_current_cdemo_sk
  AND EXISTS (SELECT * FROM store_sales, date_dim WHERE c.c_customer_sk = ss_customer_sk AND ss_sold_date_sk = d_date_sk AND d_year = 2002 AND d_moy BETWEEN 1 AND 4)
  AND (EXISTS (SELECT * FROM web_sales, date_dim WHERE c.c_customer_sk = ws_bill_customer_sk AND ws_sold_date_sk = d_date_sk AND d_year = 2002)
       OR EXISTS (SELECT * FROM catalog_sales, date_dim WHERE c.c_customer_sk = cs_ship_customer_sk AND cs_sold_date_sk = d_date_sk AND d_year = 2002))
GROUP BY cd_gender, cd_marital_status, cd_dep_count ORDER BY cd_gender, cd_marital_status, cd_dep_count LIMIT 100

-- name: d11
WITH spent AS (
    SELECT c_customer_sk AS sk, c_email_address AS mail, d_year, sum(ss_ext_list_price - ss_ext_discount_amt) AS total, 'shop' AS how
    FROM customer JOIN store_sales ON ss_customer_sk = c_customer_sk JOIN date_dim ON d_date_sk = ss_sold_date_sk GROUP BY 1, 2, 3
    UNION ALL
    SELECT c_customer_sk, c_email_address, d_year, sum(ws_ext_list_price - ws_ext_discount_amt), 'web'
    FROM customer JOIN web_sales ON ws_bill_customer_sk = c_customer_sk JOIN date_dim ON d_date_sk = ws_sold_date_sk GROUP BY 1, 2, 3)
SELECT b.sk, b.mail FROM spent a JOIN spent b USING (sk) JOIN spent c USING (sk) JOIN spent d USING (sk)
WHERE (a.how, a.d_year, b.how, b.d_year) = ('shop', 2001, 'shop', 2002) AND (c.how, c.d_year, d.how, d.d_year) = ('web', 2001, 'web', 2002)
  AND a.total > 0 AND c.total > 0 AND coalesce(d.total / nullif(c.total, 0), 0.0) > coalesce(b.total / nullif(a.total, 0), 0.0)
ORDER BY 1, 2 LIMIT 100

-- name: d12
SELECT i_item_id, i_item_desc, i_category, i_class, i_current_price, sum(ws_ext_sales_price) AS revenue,
       sum(ws_ext_sales_price) * 100 / sum(sum(ws_ext_sales_price)) OVER (PARTITION BY i_class) AS ratio
FROM web_sales, item, date_dim
WHERE ws_item_sk = i_item_sk AND i_category IN ('Jewelry', 'Music', 'Shoes') AND ws_sold_date_sk = d_date_sk
  AND d_date BETWEEN cast('2000-02-12' AS date) AND (cast('2000-02-12' AS date) + interval '30 days')
GROUP BY i_item_id, i_item_desc, i_category, i_class, i_current_price ORDER BY i_category, i_class, i_item_id, ratio LIMIT 100

-- name: d13
SELECT avg(ss_quantity), avg(ss_ext_sales_price), avg(ss_ext_wholesale_cost), sum(ss_ext_wholesale_cost)
FROM store_sales, store, customer_demographics, household_demographics, customer_address, date_dim
WHERE s_store_sk = ss_store_sk AND ss_sold_date_sk = d_date_sk AND d_year = 2001
  AND ((ss_hdemo_sk = hd_demo_sk AND cd_demo_sk = ss_cdemo_sk AND cd_marital_status = 'D' AND ss_sales_price BETWEEN 90.00 AND 140.00 AND hd_dep_count = 3)
    OR (ss_hdemo_sk = hd_demo_sk AND cd_demo_sk = ss_cdemo_sk AND cd_marital_status = 'W' AND ss_sales_price BETWEEN 40.00 AND 90.00 AND hd_dep_count = 1))
  AND ((ss_addr_sk = ca_address_sk AND ca_state IN ('TX', 'OH') AND ss_net_profit BETWEEN 100 AND 200)
    OR (ss_addr_sk = ca_address_sk AND ca_state IN ('OR', 'NM', 'KY') AND ss_net_profit BETWEEN 150 AND 300))

-- name: d14
WITH shared AS (
    SELECT i_item_sk FROM item, (
        SELECT i_brand_id, i_class_id FROM store_sales, item WHERE ss_item_sk = i_item_sk
        INTERSECT SELECT i_brand_id, i_class_id FROM catalog_sales, item WHERE cs_item_sk = i_item_sk
        INTERSECT SELECT i_brand_id, i_class_id FROM web_sales, item WHERE ws_item_sk = i_item_sk) x
    WHERE item.i_brand_id = x.i_brand_id AND item.i_class_id = x.i_class_id
), mean AS (
    SELECT avg(quantity * price) AS mean_sales FROM (
        SELECT ss_quantity AS quantity, ss_list_price AS price FROM store_sales UNION ALL SELECT cs_quantity, cs_list_price FROM catalog_sales
        UNION ALL SELECT ws_quantity, ws_list_price FROM web_sales) x)
SELECT channel, i_brand_id, sum(sales), sum(number_sales)
FROM (SELECT 'store' AS channel, i_brand_id, sum(ss_quantity * ss_list_price) AS sales, count(*) AS number_sales FROM store_sales, item
      WHERE ss_item_sk IN (SELECT i_item_sk FROM shared) AND ss_item_sk = item.i_item_sk GROUP BY i_brand_id
      HAVING sum(ss_quantity * ss_list_price) > (SELECT mean_sales FROM mean)
      UNION ALL
      SELECT 'web', i_brand_id, sum(ws_quantity * ws_list_price), count(*) FROM web_sales, item
      WHERE ws_item_sk IN (SELECT i_item_sk FROM shared) AND ws_item_sk = item.i_item_sk GROUP BY i_brand_id
      HAVING sum(ws_quantity * ws_list_price) > (SELECT mean_sales FROM mean)) y
GROUP BY ROLLUP (channel, i_brand_id) ORDER BY 1, 2 LIMIT 100

-- name: d15
SELECT ca_zip, sum(cs_sales_price) FROM catalog_sales, customer, customer_address, date_dim
WHERE cs_bill_customer_sk = c_customer_sk AND c_current_addr_sk = ca_address_sk AND cs_sold_date_sk = d_date_sk AND d_qoy = 1 AND d_year = 2001
  AND (substr(ca_zip, 1, 5) IN ('85669', '86197', '88274') OR ca_state IN ('CA', 'WA', 'GA') OR cs_sales_price > 450)
GROUP BY ca_zip ORDER BY ca_zip LIMIT 100

-- name: d16
SELECT count(DISTINCT cs_order_number) AS "order count", sum(cs_ext_ship_cost) AS "total shipping cost", sum(cs_net_profit) AS "total net profit"
FROM catalog_sales a, date_dim, customer_address, call_center
WHERE d_date BETWEEN '2002-03-01' AND (cast('2002-03-01' AS date) + interval '60 days') AND a.cs_ship_date_sk = d_date_sk
  AND a.cs_ship_addr_sk = ca_address_sk AND ca_state = 'GA' AND a.cs_call_center_sk = cc_call_center_sk AND cc_county = 'Bronx County'
  AND EXISTS (SELECT * FROM catalog_sales b WHERE a.cs_order_number = b.cs_order_number AND a.cs_warehouse_sk <> b.cs_warehouse_sk)
  AND NOT EXISTS (SELECT * FROM catalog_returns r WHERE a.cs_order_number = r.cr_order_number)
ORDER BY count(DISTINCT cs_order_number) LIMIT 100

-- name: d17
SELECT i_item_id, s_state, count(ss_quantity) AS sold, avg(ss_quantity) AS mean, stddev_samp(ss_quantity) AS deviation,
       stddev_samp(ss_quantity) / avg(ss_quantity) AS variation, count(sr_return_quantity) AS back, count(cs_quantity) AS catalog
FROM store_sales, store_returns, catalog_sales, date_dim d1, date_dim d2, date_dim d3, store, item
WHERE d1.d_quarter_name = '2000Q1' AND d1.d_date_sk = ss_sold_date_sk AND i_item_sk = ss_item_sk AND s_store_sk = ss_store_sk
  AND ss_customer_sk = sr_customer_sk AND ss_item_sk = sr_item_sk AND ss_ticket_number = sr_ticket_number AND sr_returned_date_sk = d2.d_date_sk
  AND d2.d_quarter_name IN ('2000Q1', '2000Q2', '2000Q3') AND sr_customer_sk = cs_bill_customer_sk AND sr_item_sk = cs_item_sk AND cs_sold_date_sk = d3.d_date_sk
GROUP BY i_item_id, s_state ORDER BY i_item_id, s_state LIMIT 100

-- name: d18
SELECT i_item_id, ca_country, ca_state, ca_county, avg(cast(cs_quantity AS decimal(12, 2))) AS a1, avg(cast(cs_list_price AS decimal(12, 2))) AS a2,
       avg(cast(c_birth_year AS decimal(12, 2))) AS a6
FROM catalog_sales, customer_demographics cd1, customer_demographics cd2, customer, customer_address, date_dim, item
WHERE cs_sold_date_sk = d_date_sk AND cs_item_sk = i_item_sk AND cs_bill_cdemo_sk = cd1.cd_demo_sk AND cs_bill_customer_sk = c_customer_sk
  AND cd1.cd_gender = 'F' AND c_current_cdemo_sk = cd2.cd_demo_sk AND c_current_addr_sk = ca_address_sk AND c_birth_month IN (2, 6, 8, 11) AND d_year = 1999
GROUP BY ROLLUP (i_item_id, ca_country, ca_state, ca_county) ORDER BY ca_country, ca_state, ca_county, i_item_id LIMIT 100

-- name: d19
SELECT i_brand_id AS brand_id, i_brand AS brand, i_manufact_id, sum(ss_ext_sales_price) AS price
FROM date_dim, store_sales, item, customer, customer_address, store
WHERE d_date_sk = ss_sold_date_sk AND ss_item_sk = i_item_sk AND i_manager_id = 12 AND d_moy = 10 AND d_year = 1999
  AND ss_customer_sk = c_customer_sk AND c_current_addr_sk = ca_address_sk AND substr(ca_zip, 1, 5) <> substr(s_zip, 1, 5) AND ss_store_sk = s_store_sk
GROUP BY i_brand, i_brand_id, i_manufact_id ORDER BY price DESC, brand, brand_id LIMIT 100

-- name: d20
SELECT i_item_id, i_class, sum(cs_ext_sales_price) AS revenue,
       sum(cs_ext_sales_price) * 100 / sum(sum(cs_ext_sales_price)) OVER (PARTITION BY i_class) AS share
FROM catalog_sales JOIN item ON cs_item_sk = i_item_sk JOIN date_dim ON cs_sold_date_sk = d_date_sk
WHERE i_category = ANY (ARRAY['Children', 'Sports', 'Books']) AND d_date >= date '1999-03-02' AND d_date <= date '1999-03-02' + 30
GROUP BY i_item_id, i_class ORDER BY i_class, share DESC LIMIT 100

-- name: d21
SELECT * FROM (
    SELECT w_warehouse_name, i_item_id,
           sum(CASE WHEN d_date < cast('1999-05-11' AS date) THEN inv_quantity_on_hand ELSE 0 END) AS inv_before,
           sum(CASE WHEN d_date >= cast('1999-05-11' AS date) THEN inv_quantity_on_hand ELSE 0 END) AS inv_after
    FROM inventory, warehouse, item, date_dim
    WHERE i_current_price BETWEEN 0.99 AND 1.89 AND i_item_sk = inv_item_sk AND inv_warehouse_sk = w_warehouse_sk AND inv_date_sk = d_date_sk
    GROUP BY w_warehouse_name, i_item_id) x
WHERE (CASE WHEN inv_before > 0 THEN inv_after / inv_before ELSE NULL END) BETWEEN 2.0 / 3.0 AND 3.0 / 2.0
ORDER BY w_warehouse_name, i_item_id LIMIT 100

-- name: d22
SELECT i_product_name, i_brand, i_class, i_category, avg(inv_quantity_on_hand) AS on_hand
FROM inventory, date_dim, item WHERE inv_date_sk = d_date_sk AND inv_item_sk = i_item_sk AND d_month_seq BETWEEN 1205 AND 1205 + 11
GROUP BY ROLLUP (i_product_name, i_brand, i_class, i_category) ORDER BY on_hand, i_product_name, i_brand, i_class, i_category LIMIT 100

-- name: d23
WITH frequent AS (
    SELECT substr(i_item_desc, 1, 30) AS described, i_item_sk AS item_sk, d_date AS sold, count(*) AS cnt FROM store_sales, date_dim, item
    WHERE ss_sold_date_sk = d_date_sk AND ss_item_sk = i_item_sk AND d_year IN (1999, 2000, 2001) GROUP BY 1, 2, 3 HAVING count(*) > 4
), most AS (
    SELECT max(spent) AS top FROM (SELECT ss_customer_sk, sum(ss_quantity * ss_sales_price) AS spent FROM store_sales GROUP BY 1) x
), best AS (
    SELECT ss_customer_sk AS sk, sum(ss_quantity * ss_sales_price) AS spent FROM store_sales GROUP BY 1
    HAVING sum(ss_quantity * ss_sales_price) > (95 / 100.0) * (SELECT top FROM most))
SELECT sum(sales) FROM (
    SELECT cs_quantity * cs_list_price AS sales FROM catalog_sales WHERE cs_item_sk IN (SELECT item_sk FROM frequent) AND cs_bill_customer_sk IN (SELECT sk FROM best)
    UNION ALL SELECT ws_quantity * ws_list_price FROM web_sales WHERE ws_item_sk IN (SELECT item_sk FROM frequent) AND ws_bill_customer_sk IN (SELECT sk FROM best)) y
LIMIT 100

-- name: d24
WITH paid AS (
    SELECT c_last_name, c_first_name, s_store_name, i_color, i_size, sum(ss_net_paid) AS netpaid
    FROM store_sales, store_returns, store, item, customer, customer_address
    WHERE ss_ticket_number = sr_ticket_number AND ss_item_sk = sr_item_sk AND ss_customer_sk = c_customer_sk AND ss_item_sk = i_item_sk
      AND ss_store_sk = s_store_sk AND c_current_addr_sk = ca_address_sk AND c_birth_country <> upper(ca_country) AND s_zip = ca_zip AND s_market_id = 7
    GROUP BY c_last_name, c_first_name, s_store_name, i_color, i_size)
SELECT c_last_name, c_first_name, s_store_name, sum(netpaid) AS paid FROM paid WHERE i_color = 'orchid'
GROUP BY c_last_name, c_first_name, s_store_name HAVING sum(netpaid) > (SELECT 0.05 * avg(netpaid) FROM paid) ORDER BY 1, 2, 3

-- name: d25
SELECT i_item_id, i_item_desc, s_store_id, max(ss_net_profit) AS sold, max(sr_net_loss) AS back, max(cs_net_profit) AS catalog
FROM store_sales
JOIN store_returns ON ss_customer_sk = sr_customer_sk AND ss_item_sk = sr_item_sk AND ss_ticket_number = sr_ticket_number
JOIN catalog_sales ON sr_customer_sk = cs_bill_customer_sk AND sr_item_sk = cs_item_sk
JOIN date_dim d1 ON d1.d_date_sk = ss_sold_date_sk AND d1.d_moy = 4 AND d1.d_year = 2000
JOIN date_dim d2 ON d2.d_date_sk = sr_returned_date_sk AND d2.d_moy BETWEEN 4 AND 10
JOIN store ON s_store_sk = ss_store_sk JOIN item ON i_item_sk = ss_item_sk
GROUP BY i_item_id, i_item_desc, s_store_id ORDER BY 1, 2, 3 LIMIT 100

-- name: d26
SELECT i_item_id, avg(cs_quantity), avg(cs_list_price), avg(cs_coupon_amt), avg(cs_sales_price)
FROM catalog_sales, customer_demographics, date_dim, item, promotion
WHERE cs_sold_date_sk = d_date_sk AND cs_item_sk = i_item_sk AND cs_bill_cdemo_sk = cd_demo_sk AND cs_promo_sk = p_promo_sk
  AND cd_gender = 'F' AND cd_marital_status = 'W' AND (p_channel_email = 'N' OR p_channel_event = 'N') AND d_year = 1998
GROUP BY i_item_id ORDER BY i_item_id LIMIT 100

-- name: d27
SELECT i_item_id, s_state, grouping(s_state) AS g_state, avg(ss_quantity) AS agg1, avg(ss_list_price) AS agg2
FROM store_sales, customer_demographics, date_dim, store, item
WHERE ss_sold_date_sk = d_date_sk AND ss_item_sk = i_item_sk AND ss_store_sk = s_store_sk AND ss_cdemo_sk = cd_demo_sk AND cd_gender = 'M'
  AND s_state IN ('TN', 'SD', 'AL', 'MI')
GROUP BY ROLLUP (i_item_id, s_state) ORDER BY i_item_id, s_state LIMIT 100

-- name: d28
SELECT * FROM
    (SELECT avg(ss_list_price) AS b1_lp, count(ss_list_price) AS b1_cnt, count(DISTINCT ss_list_price) AS b1_cntd FROM store_sales
     WHERE ss_quantity BETWEEN 0 AND 5 AND (ss_list_price BETWEEN 11 AND 21 OR ss_coupon_amt BETWEEN 460 AND 1460)) b1,
    (SELECT avg(ss_list_price) AS b2_lp, count(ss_list_price) AS b2_cnt, count(DISTINCT ss_list_price) AS b2_cntd FROM store_sales
     WHERE ss_quantity BETWEEN 6 AND 10 AND (ss_list_price BETWEEN 91 AND 101 OR ss_wholesale_cost BETWEEN 32 AND 52)) b2
LIMIT 100

-- name: d29
SELECT i_item_id, s_store_name, avg(ss_quantity) AS sold, avg(sr_return_quantity) AS back, avg(cs_quantity) AS catalog
FROM store_sales, store_returns, catalog_sales, date_dim d1, date_dim d3, store, item
WHERE d1.d_moy = 9 AND d1.d_year = 1999 AND d1.d_date_sk = ss_sold_date_sk AND i_item_sk = ss_item_sk AND s_store_sk = ss_store_sk
  AND ss_customer_sk = sr_customer_sk AND ss_item_sk = sr_item_sk AND sr_customer_sk = cs_bill_customer_sk AND sr_item_sk = cs_item_sk
  AND cs_sold_date_sk = d3.d_date_sk AND d3.d_year IN (1999, 1999 + 1, 1999 + 2)
GROUP BY i_item_id, s_store_name ORDER BY i_item_id, s_store_name LIMIT 100

-- name: d30
WITH given AS (
    SELECT wr_returning_customer_sk AS who, ca_state AS state, sum(wr_return_amt) AS total FROM web_returns, date_dim, customer_address
    WHERE wr_returned_date_sk = d_date_sk AND d_year = 2002 AND wr_returning_addr_sk = ca_address_sk GROUP BY 1, 2)
SELECT c_customer_id, c_salutation, c_first_name, c_last_name, total FROM given a, customer_address, customer
WHERE a.total > (SELECT avg(total) * 1.2 FROM given b WHERE a.state = b.state) AND ca_address_sk = c_current_addr_sk AND ca_state = 'IN' AND a.who = c_customer_sk
ORDER BY 1, 2, 3, 4, 5 LIMIT 100

-- name: d31
WITH ss AS (
    SELECT ca_county, d_qoy, d_year, sum(ss_ext_sales_price) AS sales FROM store_sales, date_dim, customer_address
    WHERE ss_sold_date_sk = d_date_sk AND ss_addr_sk = ca_address_sk GROUP BY 1, 2, 3
), ws AS (
    SELECT ca_county, d_qoy, d_year, sum(ws_ext_sales_price) AS sales FROM web_sales, date_dim, customer_address
    WHERE ws_sold_date_sk = d_date_sk AND ws_bill_addr_sk = ca_address_sk GROUP BY 1, 2, 3)
SELECT s1.ca_county, s1.d_year, w2.sales / w1.sales AS web_growth, s2.sales / s1.sales AS store_growth
FROM ss s1, ss s2, ws w1, ws w2
WHERE s1.d_qoy = 1 AND s2.d_qoy = 2 AND w1.d_qoy = 1 AND w2.d_qoy = 2 AND s1.d_year = 2000 AND s2.d_year = 2000 AND w1.d_year = 2000 AND w2.d_year = 2000
  AND s1.ca_county = s2.ca_county AND s1.ca_county = w1.ca_county AND w1.ca_county = w2.ca_county
  AND CASE WHEN w1.sales > 0 THEN w2.sales / w1.sales ELSE NULL END > CASE WHEN s1.sales > 0 THEN s2.sales / s1.sales ELSE NULL END
ORDER BY s1.ca_county

-- name: d32
SELECT sum(cs_ext_discount_amt) AS "excess discount amount" FROM catalog_sales, item, date_dim
WHERE i_manufact_id = 269 AND i_item_sk = cs_item_sk AND d_date BETWEEN '1998-03-18' AND (cast('1998-03-18' AS date) + interval '90 days') AND d_date_sk = cs_sold_date_sk
  AND cs_ext_discount_amt > (SELECT 1.3 * avg(cs_ext_discount_amt) FROM catalog_sales, date_dim WHERE cs_item_sk = i_item_sk AND d_date_sk = cs_sold_date_sk)
LIMIT 100

-- name: d33
WITH ss AS (
    SELECT i_manufact_id, sum(ss_ext_sales_price) AS total FROM store_sales, date_dim, customer_address, item
    WHERE i_manufact_id IN (SELECT i_manufact_id FROM item WHERE i_category IN ('Books')) AND ss_item_sk = i_item_sk AND ss_sold_date_sk = d_date_sk
      AND ss_addr_sk = ca_address_sk AND ca_gmt_offset = -6 GROUP BY i_manufact_id
), ws AS (
    SELECT i_manufact_id, sum(ws_ext_sales_price) AS total FROM web_sales, date_dim, customer_address, item
    WHERE i_manufact_id IN (SELECT i_manufact_id FROM item WHERE i_category IN ('Books')) AND ws_item_sk = i_item_sk AND ws_sold_date_sk = d_date_sk
      AND ws_bill_addr_sk = ca_address_sk AND ca_gmt_offset = -6 GROUP BY i_manufact_id)
SELECT i_manufact_id, sum(total) AS total FROM (SELECT * FROM ss UNION ALL SELECT * FROM ws) x GROUP BY i_manufact_id ORDER BY total LIMIT 100

-- name: d34
SELECT c_last_name, c_first_name, c_salutation, ss_ticket_number, cnt
FROM (SELECT ss_ticket_number, ss_customer_sk, count(*) AS cnt FROM store_sales, date_dim, store, household_demographics
      WHERE store_sales.ss_sold_date_sk = date_dim.d_date_sk AND store_sales.ss_store_sk = store.s_store_sk AND store_sales.ss_hdemo_sk = household_demographics.hd_demo_sk
        AND (d_dom BETWEEN 1 AND 3 OR d_dom BETWEEN 25 AND 28) AND hd_vehicle_count > 0
        AND (CASE WHEN hd_vehicle_count > 0 THEN hd_dep_count / hd_vehicle_count ELSE NULL END) > 1.2
      GROUP BY ss_ticket_number, ss_customer_sk) dn, customer
WHERE ss_customer_sk = c_customer_sk AND cnt BETWEEN 15 AND 20 ORDER BY 1, 2, 3, 4

-- name: d35
SELECT ca_state, cd_gender, cd_dep_count, count(*), min(cd_dep_count), max(cd_dep_count), avg(cd_dep_count)
FROM customer c JOIN customer_address ca ON c.c_current_addr_sk = ca.ca_address_sk JOIN customer_demographics ON cd_demo_sk = c.c_current_cdemo_sk
WHERE EXISTS (SELECT FROM store_sales JOIN date_dim ON ss_sold_date_sk = d_date_sk WHERE ss_customer_sk = c.c_customer_sk AND d_year = 2002 AND d_qoy < 4)
  AND (EXISTS (SELECT FROM web_sales WHERE ws_bill_customer_sk = c.c_customer_sk) OR EXISTS (SELECT FROM catalog_sales WHERE cs_ship_customer_sk = c.c_customer_sk))
GROUP BY ca_state, cd_gender, cd_dep_count ORDER BY ca_state, cd_gender LIMIT 100

-- name: d36
SELECT sum(ss_net_profit) / sum(ss_ext_sales_price) AS margin, i_category, i_class, grouping(i_category) + grouping(i_class) AS level,
       rank() OVER (PARTITION BY grouping(i_category) + grouping(i_class), CASE WHEN grouping(i_class) = 0 THEN i_category END
                    ORDER BY sum(ss_net_profit) / sum(ss_ext_sales_price) ASC) AS place
FROM store_sales, date_dim d1, item, store
WHERE d1.d_year = 2000 AND d1.d_date_sk = ss_sold_date_sk AND i_item_sk = ss_item_sk AND s_store_sk = ss_store_sk AND s_state IN ('TN', 'SD')
GROUP BY ROLLUP (i_category, i_class) ORDER BY level DESC, CASE WHEN grouping(i_category) + grouping(i_class) = 0 THEN i_category END, place LIMIT 100

-- name: d37
SELECT i_item_id, i_item_desc, i_current_price FROM item, inventory, date_dim, catalog_sales
WHERE i_current_price BETWEEN 22 AND 22 + 30 AND inv_item_sk = i_item_sk AND d_date_sk = inv_date_sk AND d_date BETWEEN cast('2001-06-02' AS date) AND (cast('2001-06-02' AS date) + interval '60 days')
  AND i_manufact_id IN (678, 964, 918, 849) AND inv_quantity_on_hand BETWEEN 100 AND 500 AND cs_item_sk = i_item_sk
GROUP BY i_item_id, i_item_desc, i_current_price ORDER BY i_item_id LIMIT 100

-- name: d38
SELECT count(*) FROM (
    SELECT DISTINCT c_last_name, c_first_name, d_date FROM store_sales, date_dim, customer WHERE ss_sold_date_sk = d_date_sk AND ss_customer_sk = c_customer_sk AND d_month_seq BETWEEN 1189 AND 1200
    INTERSECT SELECT DISTINCT c_last_name, c_first_name, d_date FROM catalog_sales, date_dim, customer WHERE cs_sold_date_sk = d_date_sk AND cs_bill_customer_sk = c_customer_sk
    INTERSECT SELECT DISTINCT c_last_name, c_first_name, d_date FROM web_sales, date_dim, customer WHERE ws_sold_date_sk = d_date_sk AND ws_bill_customer_sk = c_customer_sk) hot
LIMIT 100

-- name: d39
WITH inv AS (
    SELECT w_warehouse_sk, i_item_sk, d_moy, stdev, mean, CASE mean WHEN 0 THEN NULL ELSE stdev / mean END AS cov
    FROM (SELECT w_warehouse_sk, i_item_sk, d_moy, stddev_samp(inv_quantity_on_hand) AS stdev, avg(inv_quantity_on_hand) AS mean
          FROM inventory, item, warehouse, date_dim WHERE inv_item_sk = i_item_sk AND inv_warehouse_sk = w_warehouse_sk AND inv_date_sk = d_date_sk AND d_year = 2001
          GROUP BY w_warehouse_sk, i_item_sk, d_moy) foo
    WHERE CASE mean WHEN 0 THEN 0 ELSE stdev / mean END > 1)
SELECT a.w_warehouse_sk, a.i_item_sk, a.d_moy, a.mean, a.cov, b.mean, b.cov FROM inv a, inv b
WHERE a.i_item_sk = b.i_item_sk AND a.w_warehouse_sk = b.w_warehouse_sk AND a.d_moy = 2 AND b.d_moy = 2 + 1 ORDER BY 1, 2, 3, 4, 5

-- name: d40
SELECT w_state, i_item_id, sum(CASE WHEN d_date < date '2000-04-01' THEN cs_sales_price - coalesce(cr_refunded_cash, 0) ELSE 0 END) AS before,
       sum(CASE WHEN d_date >= date '2000-04-01' THEN cs_sales_price - coalesce(cr_refunded_cash, 0) ELSE 0 END) AS after
FROM catalog_sales LEFT OUTER JOIN catalog_returns ON cs_order_number = cr_order_number AND cs_item_sk = cr_item_sk, warehouse, item, date_dim
WHERE i_item_sk = cs_item_sk AND cs_warehouse_sk = w_warehouse_sk AND cs_sold_date_sk = d_date_sk GROUP BY w_state, i_item_id ORDER BY w_state, i_item_id LIMIT 100

-- name: d41
SELECT DISTINCT i_product_name FROM item i1
WHERE i_manufact_id BETWEEN 704 AND 744 AND (
    SELECT count(*) FROM item WHERE (i_manufact = i1.i_manufact AND ((i_category = 'Women' AND (i_color = 'forest' OR i_color = 'lime') AND (i_units = 'Pallet' OR i_units = 'Pound'))
        OR (i_category = 'Men' AND i_color IN ('powder', 'sky') AND i_size IN ('N/A', 'small'))))
      OR (i_manufact = i1.i_manufact AND i_category = 'Women' AND i_size = 'petite')) > 0
ORDER BY i_product_name LIMIT 100

-- name: d42
SELECT dt.d_year, item.i_category_id, item.i_category, sum(ss_ext_sales_price) FROM date_dim dt, store_sales, item
WHERE dt.d_date_sk = store_sales.ss_sold_date_sk AND store_sales.ss_item_sk = item.i_item_sk AND item.i_manager_id = 1 AND dt.d_moy = 11
GROUP BY dt.d_year, item.i_category_id, item.i_category ORDER BY sum(ss_ext_sales_price) DESC, dt.d_year, item.i_category_id LIMIT 100

-- name: d43
SELECT s_store_name, s_store_id, sum(CASE WHEN (d_day_name = 'Sunday') THEN ss_sales_price ELSE NULL END) AS sun, sum(CASE WHEN (d_day_name = 'Monday') THEN ss_sales_price ELSE NULL END) AS mon,
       sum(ss_sales_price) FILTER (WHERE d_day_name = 'Saturday') AS sat
FROM date_dim, store_sales, store WHERE d_date_sk = ss_sold_date_sk AND s_store_sk = ss_store_sk AND s_gmt_offset = -5 AND d_year = 1998
GROUP BY s_store_name, s_store_id ORDER BY s_store_name, s_store_id, sun LIMIT 100

-- name: d44
SELECT asc_side.rnk, i1.i_product_name AS best, i2.i_product_name AS worst
FROM (SELECT * FROM (SELECT item_sk, rank() OVER (ORDER BY gain ASC) AS rnk FROM
        (SELECT ss_item_sk AS item_sk, avg(ss_net_profit) AS gain FROM store_sales ss1 WHERE ss_store_sk = 6 GROUP BY ss_item_sk
         HAVING avg(ss_net_profit) > 0.9 * (SELECT avg(ss_net_profit) FROM store_sales WHERE ss_store_sk = 6 AND ss_addr_sk IS NULL GROUP BY ss_store_sk)) v1) v11 WHERE rnk < 11) asc_side,
     (SELECT * FROM (SELECT item_sk, rank() OVER (ORDER BY gain DESC) AS rnk FROM
        (SELECT ss_item_sk AS item_sk, avg(ss_net_profit) AS gain FROM store_sales WHERE ss_store_sk = 6 GROUP BY ss_item_sk) v2) v21 WHERE rnk < 11) desc_side, item i1, item i2
WHERE asc_side.rnk = desc_side.rnk AND i1.i_item_sk = asc_side.item_sk AND i2.i_item_sk = desc_side.item_sk ORDER BY asc_side.rnk LIMIT 100

-- name: d45
SELECT ca_zip, ca_city, sum(ws_sales_price) FROM web_sales, customer, customer_address, date_dim, item
WHERE ws_bill_customer_sk = c_customer_sk AND c_current_addr_sk = ca_address_sk AND ws_item_sk = i_item_sk AND ws_sold_date_sk = d_date_sk AND d_qoy = 2
  AND (substr(ca_zip, 1, 5) IN ('85669', '86475', '85392') OR i_item_id IN (SELECT i_item_id FROM item WHERE i_item_sk IN (2, 3, 5, 7, 11, 13, 17)))
GROUP BY ca_zip, ca_city ORDER BY ca_zip, ca_city LIMIT 100

-- name: d46
SELECT c_last_name, c_first_name, current_addr.ca_city, bought_city, ss_ticket_number, amt, profit
FROM (SELECT ss_ticket_number, ss_customer_sk, ca_city AS bought_city, sum(ss_coupon_amt) AS amt, sum(ss_net_profit) AS profit
      FROM store_sales, date_dim, store, household_demographics, customer_address
      WHERE ss_sold_date_sk = d_date_sk AND ss_store_sk = s_store_sk AND ss_hdemo_sk = hd_demo_sk AND ss_addr_sk = ca_address_sk
        AND (hd_dep_count = 4 OR hd_vehicle_count = 2) AND d_dow IN (6, 0) GROUP BY ss_ticket_number, ss_customer_sk, ss_addr_sk, ca_city) dn, customer, customer_address current_addr
WHERE ss_customer_sk = c_customer_sk AND customer.c_current_addr_sk = current_addr.ca_address_sk AND current_addr.ca_city <> bought_city
ORDER BY c_last_name, c_first_name, current_addr.ca_city LIMIT 100

-- name: d47
WITH v1 AS (
    SELECT i_category, i_brand, s_store_name, d_year, d_moy, sum(ss_sales_price) AS sum_sales,
           avg(sum(ss_sales_price)) OVER (PARTITION BY i_category, i_brand, s_store_name, d_year) AS avg_monthly,
           rank() OVER (PARTITION BY i_category, i_brand, s_store_name ORDER BY d_year, d_moy) AS rn
    FROM item, store_sales, date_dim, store WHERE ss_item_sk = i_item_sk AND ss_sold_date_sk = d_date_sk AND ss_store_sk = s_store_sk
      AND (d_year = 2000 OR (d_year = 2000 - 1 AND d_moy = 12) OR (d_year = 2000 + 1 AND d_moy = 1)) GROUP BY 1, 2, 3, 4, 5
), v2 AS (
    SELECT v1.*, before.sum_sales AS psum, after.sum_sales AS nsum FROM v1, v1 before, v1 after
    WHERE v1.i_category = before.i_category AND v1.i_category = after.i_category AND v1.rn = before.rn + 1 AND v1.rn = after.rn - 1)
SELECT * FROM v2 WHERE d_year = 2000 AND avg_monthly > 0 AND CASE WHEN avg_monthly > 0 THEN abs(sum_sales - avg_monthly) / avg_monthly ELSE NULL END > 0.1
ORDER BY sum_sales - avg_monthly, nsum LIMIT 100

-- name: d48
SELECT sum(ss_quantity) FROM store_sales, store, customer_demographics, customer_address, date_dim
WHERE s_store_sk = ss_store_sk AND ss_sold_date_sk = d_date_sk AND d_year = 2001
  AND ((cd_demo_sk = ss_cdemo_sk AND cd_marital_status = 'W' AND ss_sales_price BETWEEN 100.00 AND 150.00) OR (cd_demo_sk = ss_cdemo_sk AND cd_marital_status = 'M' AND ss_sales_price BETWEEN 50.00 AND 100.00))
  AND ((ss_addr_sk = ca_address_sk AND ca_state IN ('CO', 'NC', 'TX') AND ss_net_profit BETWEEN 0 AND 2000) OR (ss_addr_sk = ca_address_sk AND ca_state IN ('OR', 'MN') AND ss_net_profit > 50))

-- name: d49
SELECT channel, item, return_ratio, return_rank, currency_rank FROM (
    SELECT 'web' AS channel, item, return_ratio, rank() OVER (ORDER BY return_ratio) AS return_rank, rank() OVER (ORDER BY currency_ratio) AS currency_rank
    FROM (SELECT ws.ws_item_sk AS item, cast(sum(coalesce(wr.wr_return_quantity, 0)) AS decimal(15, 4)) / cast(sum(coalesce(ws.ws_quantity, 0)) AS decimal(15, 4)) AS return_ratio,
                 cast(sum(coalesce(wr.wr_return_amt, 0)) AS decimal(15, 4)) / sum(ws.ws_net_paid) AS currency_ratio
          FROM web_sales ws LEFT OUTER JOIN web_returns wr ON (ws.ws_order_number = wr.wr_order_number AND ws.ws_item_sk = wr.wr_item_sk) WHERE ws.ws_quantity > 0 GROUP BY ws.ws_item_sk) in_web
    UNION
    SELECT 'store', ss_item_sk, avg(ss_net_paid), 1, 2 FROM store_sales GROUP BY ss_item_sk) x
WHERE return_rank <= 10 OR currency_rank <= 10 ORDER BY 1, 4, 5, 2 LIMIT 100

-- name: d50
SELECT s_store_name, s_company_id, s_zip,
       sum(CASE WHEN (sr_returned_date_sk - ss_sold_date_sk <= 30) THEN 1 ELSE 0 END) AS "30 days",
       sum(CASE WHEN (sr_returned_date_sk - ss_sold_date_sk > 30) AND (sr_returned_date_sk - ss_sold_date_sk <= 60) THEN 1 ELSE 0 END) AS "31-60 days",
       sum(CASE WHEN (sr_returned_date_sk - ss_sold_date_sk > 120) THEN 1 ELSE 0 END) AS ">120 days"
FROM store_sales, store_returns, store, date_dim d1, date_dim d2
WHERE d2.d_year = 2001 AND d2.d_moy = 8 AND ss_ticket_number = sr_ticket_number AND ss_item_sk = sr_item_sk AND ss_sold_date_sk = d1.d_date_sk
  AND sr_returned_date_sk = d2.d_date_sk AND ss_customer_sk = sr_customer_sk AND ss_store_sk = s_store_sk
GROUP BY s_store_name, s_company_id, s_zip ORDER BY s_store_name, s_company_id, s_zip LIMIT 100
