-- 99 questions to a retailer, 51 to 99: the shapes of TPC-DS, in words and constants of our own.

-- name: d51
WITH web AS (
    SELECT ws_item_sk AS item_sk, d_date, sum(sum(ws_sales_price)) OVER (PARTITION BY ws_item_sk ORDER BY d_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS so_far
    FROM web_sales, date_dim WHERE ws_sold_date_sk = d_date_sk AND ws_item_sk IS NOT NULL GROUP BY ws_item_sk, d_date
), shop AS (
    SELECT ss_item_sk AS item_sk, d_date, sum(sum(ss_sales_price)) OVER (PARTITION BY ss_item_sk ORDER BY d_date ROWS UNBOUNDED PRECEDING) AS so_far
    FROM store_sales, date_dim WHERE ss_sold_date_sk = d_date_sk AND ss_item_sk IS NOT NULL GROUP BY ss_item_sk, d_date)
SELECT * FROM (
    SELECT item_sk, d_date, max(web_sales) OVER (PARTITION BY item_sk ORDER BY d_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS web_top, store_sales
    FROM (SELECT CASE WHEN web.item_sk IS NOT NULL THEN web.item_sk ELSE shop.item_sk END AS item_sk, coalesce(web.d_date, shop.d_date) AS d_date, web.so_far AS web_sales, shop.so_far AS store_sales
          FROM web FULL OUTER JOIN shop ON (web.item_sk = shop.item_sk AND web.d_date = shop.d_date)) x) y
WHERE web_top > store_sales ORDER BY item_sk, d_date LIMIT 100

-- name: d52
SELECT dt.d_year, item.i_brand_id AS brand_id, item.i_brand AS brand, sum(ss_ext_sales_price) AS ext_price
FROM date_dim dt, store_sales, item
WHERE dt.d_date_sk = store_sales.ss_sold_date_sk AND store_sales.ss_item_sk = item.i_item_sk AND item.i_manager_id = 3 AND dt.d_moy = 12 AND dt.d_year = 1999
GROUP BY dt.d_year, item.i_brand, item.i_brand_id ORDER BY dt.d_year, ext_price DESC, brand_id LIMIT 100

-- name: d53
SELECT * FROM (
    SELECT i_manufact_id, sum(ss_sales_price) AS sum_sales, avg(sum(ss_sales_price)) OVER (PARTITION BY i_manufact_id) AS avg_quarterly
    FROM item, store_sales, date_dim, store
    WHERE ss_item_sk = i_item_sk AND ss_sold_date_sk = d_date_sk AND ss_store_sk = s_store_sk AND d_month_seq IN (1212, 1213, 1214)
      AND ((i_category IN ('Books', 'Children') AND i_class IN ('personal', 'portable')) OR (i_category IN ('Women', 'Music') AND i_class IN ('classical', 'pants')))
    GROUP BY i_manufact_id, d_qoy) tmp1
WHERE CASE WHEN avg_quarterly > 0 THEN abs(sum_sales - avg_quarterly) / avg_quarterly ELSE NULL END > 0.1 ORDER BY avg_quarterly, sum_sales, i_manufact_id LIMIT 100

-- name: d54
WITH mine AS (
    SELECT DISTINCT c_customer_sk, c_current_addr_sk FROM (
        SELECT cs_sold_date_sk AS day_sk, cs_bill_customer_sk AS customer_sk, cs_item_sk AS item_sk FROM catalog_sales
        UNION ALL SELECT ws_sold_date_sk, ws_bill_customer_sk, ws_item_sk FROM web_sales) x, item, date_dim, customer
    WHERE day_sk = d_date_sk AND item_sk = i_item_sk AND i_category = 'Women' AND i_class = 'maternity' AND c_customer_sk = x.customer_sk AND d_moy = 12 AND d_year = 1998
), revenue AS (
    SELECT c_customer_sk, sum(ss_ext_sales_price) AS revenue FROM mine, store_sales, customer_address, store, date_dim
    WHERE c_current_addr_sk = ca_address_sk AND ca_county = s_county AND ca_state = s_state AND ss_sold_date_sk = d_date_sk AND c_customer_sk = ss_customer_sk
      AND d_month_seq BETWEEN (SELECT DISTINCT d_month_seq + 1 FROM date_dim WHERE d_year = 1998 AND d_moy = 12) AND (SELECT DISTINCT d_month_seq + 3 FROM date_dim WHERE d_year = 1998 AND d_moy = 12)
    GROUP BY c_customer_sk)
SELECT segment, count(*) AS customers, segment * 50 AS base FROM (SELECT cast((revenue / 50) AS int) AS segment FROM revenue) s GROUP BY segment ORDER BY segment, customers LIMIT 100

-- name: d55
SELECT i_brand_id AS brand_id, i_brand AS brand, sum(ss_ext_sales_price) AS price FROM date_dim, store_sales, item
WHERE d_date_sk = ss_sold_date_sk AND ss_item_sk = i_item_sk AND i_manager_id = 36 AND d_moy = 12 AND d_year = 2001 GROUP BY i_brand, i_brand_id ORDER BY price DESC, i_brand_id LIMIT 100

-- name: d56
WITH picked AS (SELECT i_item_id FROM item WHERE i_color IN ('slate', 'blanched', 'burnished')), ss AS (
    SELECT i_item_id, sum(ss_ext_sales_price) AS total FROM store_sales, date_dim, customer_address, item
    WHERE i_item_id IN (SELECT i_item_id FROM picked) AND ss_item_sk = i_item_sk AND ss_sold_date_sk = d_date_sk AND d_year = 2001 AND ss_addr_sk = ca_address_sk GROUP BY i_item_id
), cs AS (
    SELECT i_item_id, sum(cs_ext_sales_price) AS total FROM catalog_sales, date_dim, customer_address, item
    WHERE i_item_id IN (SELECT i_item_id FROM picked) AND cs_item_sk = i_item_sk AND cs_sold_date_sk = d_date_sk AND d_year = 2001 AND cs_bill_addr_sk = ca_address_sk GROUP BY i_item_id)
SELECT i_item_id, sum(total) AS total FROM (SELECT * FROM ss UNION ALL SELECT * FROM cs) AS both_channels GROUP BY i_item_id ORDER BY total, i_item_id LIMIT 100

-- name: d57
WITH v1 AS (
    SELECT i_category, i_brand, cc_name, d_year, d_moy, sum(cs_sales_price) AS sum_sales, avg(sum(cs_sales_price)) OVER w AS monthly,
           rank() OVER (PARTITION BY i_category, i_brand, cc_name ORDER BY d_year, d_moy) AS rn
    FROM item, catalog_sales, date_dim, call_center WHERE cs_item_sk = i_item_sk AND cs_sold_date_sk = d_date_sk AND cc_call_center_sk = cs_call_center_sk AND d_year = 1999
    GROUP BY i_category, i_brand, cc_name, d_year, d_moy WINDOW w AS (PARTITION BY i_category, i_brand, cc_name, d_year))
SELECT v1.i_category, v1.cc_name, v1.d_moy, v1.sum_sales, lagged.sum_sales AS psum, following.sum_sales AS nsum
FROM v1, v1 lagged, v1 following
WHERE v1.i_category = lagged.i_category AND v1.cc_name = lagged.cc_name AND v1.rn = lagged.rn + 1 AND v1.i_category = following.i_category AND v1.rn = following.rn - 1
ORDER BY v1.sum_sales - v1.monthly, 3 LIMIT 100

-- name: d58
WITH shop AS (
    SELECT i_item_id AS item_id, sum(ss_ext_sales_price) AS rev FROM store_sales, item, date_dim
    WHERE ss_item_sk = i_item_sk AND d_date IN (SELECT d_date FROM date_dim WHERE d_week_seq = (SELECT d_week_seq FROM date_dim WHERE d_date = '2000-02-12')) AND ss_sold_date_sk = d_date_sk GROUP BY i_item_id
), web AS (
    SELECT i_item_id AS item_id, sum(ws_ext_sales_price) AS rev FROM web_sales, item, date_dim
    WHERE ws_item_sk = i_item_sk AND d_date IN (SELECT d_date FROM date_dim WHERE d_week_seq = (SELECT d_week_seq FROM date_dim WHERE d_date = '2000-02-12')) AND ws_sold_date_sk = d_date_sk GROUP BY i_item_id)
SELECT shop.item_id, shop.rev, shop.rev / ((shop.rev + web.rev) / 2) * 100 AS shop_dev, (shop.rev + web.rev) / 2 AS average
FROM shop, web WHERE shop.item_id = web.item_id AND shop.rev BETWEEN 0.9 * web.rev AND 1.1 * web.rev ORDER BY 1, 2 LIMIT 100

-- name: d59
WITH wss AS (
    SELECT d_week_seq, ss_store_sk, sum(CASE WHEN d_day_name = 'Sunday' THEN ss_sales_price ELSE NULL END) AS sun, sum(CASE WHEN d_day_name = 'Thursday' THEN ss_sales_price ELSE NULL END) AS thu
    FROM store_sales, date_dim WHERE d_date_sk = ss_sold_date_sk GROUP BY d_week_seq, ss_store_sk)
SELECT y.name, y.week, y.sun / x.sun, y.thu / x.thu
FROM (SELECT s_store_name AS name, wss.d_week_seq AS week, s_store_id AS id, sun, thu FROM wss, store, date_dim d WHERE d.d_week_seq = wss.d_week_seq AND ss_store_sk = s_store_sk AND d_month_seq BETWEEN 1185 AND 1196) y,
     (SELECT s_store_name AS name, wss.d_week_seq AS week, s_store_id AS id, sun, thu FROM wss, store, date_dim d WHERE d.d_week_seq = wss.d_week_seq AND ss_store_sk = s_store_sk AND d_month_seq BETWEEN 1197 AND 1208) x
WHERE y.id = x.id AND y.week = x.week - 52 ORDER BY y.name, y.week LIMIT 100

-- name: d60
WITH ws AS (
    SELECT i_item_id, sum(ws_ext_sales_price) AS total_sales FROM web_sales, date_dim, customer_address, item
    WHERE i_item_id IN (SELECT i_item_id FROM item WHERE i_category IN ('Children')) AND ws_item_sk = i_item_sk AND ws_sold_date_sk = d_date_sk AND d_moy = 8 AND ws_bill_addr_sk = ca_address_sk AND ca_gmt_offset = -7 GROUP BY i_item_id
), ss AS (SELECT i_item_id, sum(ss_ext_sales_price) AS total_sales FROM store_sales, item WHERE ss_item_sk = i_item_sk GROUP BY i_item_id)
SELECT i_item_id, sum(total_sales) FROM (TABLE ws UNION ALL TABLE ss) t GROUP BY i_item_id ORDER BY i_item_id, 2 LIMIT 100

-- name: d61
SELECT promotions, total, cast(promotions AS decimal(15, 4)) / cast(total AS decimal(15, 4)) * 100
FROM (SELECT sum(ss_ext_sales_price) AS promotions FROM store_sales, store, promotion, date_dim, customer, customer_address, item
      WHERE ss_sold_date_sk = d_date_sk AND ss_store_sk = s_store_sk AND ss_promo_sk = p_promo_sk AND ss_customer_sk = c_customer_sk AND ca_address_sk = c_current_addr_sk
        AND ss_item_sk = i_item_sk AND (p_channel_dmail = 'Y' OR p_channel_email = 'Y' OR p_channel_tv = 'Y') AND d_moy = 11) promotional_sales,
     (SELECT sum(ss_ext_sales_price) AS total FROM store_sales, store, date_dim WHERE ss_sold_date_sk = d_date_sk AND ss_store_sk = s_store_sk AND s_gmt_offset = -7) all_sales
ORDER BY promotions, total LIMIT 100

-- name: d62
SELECT substr(w_warehouse_name, 1, 20), sm_type, web_name, sum(CASE WHEN (ws_ship_date_sk - ws_sold_date_sk <= 30) THEN 1 ELSE 0 END) AS "30 days",
       sum(CASE WHEN (ws_ship_date_sk - ws_sold_date_sk > 90) THEN 1 ELSE 0 END) AS ">90 days"
FROM web_sales, warehouse, ship_mode, web_site, date_dim
WHERE d_month_seq BETWEEN 1212 AND 1212 + 11 AND ws_ship_date_sk = d_date_sk AND ws_warehouse_sk = w_warehouse_sk AND ws_ship_mode_sk = sm_ship_mode_sk AND ws_web_site_sk = web_site_sk
GROUP BY substr(w_warehouse_name, 1, 20), sm_type, web_name ORDER BY 1, 2, 3 LIMIT 100

-- name: d63
SELECT * FROM (SELECT i_manager_id, sum(ss_sales_price) AS sum_sales, avg(sum(ss_sales_price)) OVER (PARTITION BY i_manager_id) AS avg_monthly
      FROM item, store_sales, date_dim, store WHERE ss_item_sk = i_item_sk AND ss_sold_date_sk = d_date_sk AND ss_store_sk = s_store_sk AND i_brand IN ('scholaramalgamalg #14', 'exportiunivamalg #9')
      GROUP BY i_manager_id, d_moy) tmp
WHERE CASE WHEN avg_monthly > 0 THEN abs(sum_sales - avg_monthly) / avg_monthly ELSE NULL END > 0.1 ORDER BY i_manager_id, avg_monthly, sum_sales LIMIT 100

-- name: d64
WITH cs_ui AS (
    SELECT cs_item_sk, sum(cs_ext_list_price) AS sale, sum(cr_refunded_cash + cr_reversed_charge + cr_store_credit) AS refund
    FROM catalog_sales, catalog_returns WHERE cs_item_sk = cr_item_sk AND cs_order_number = cr_order_number GROUP BY cs_item_sk
    HAVING sum(cs_ext_list_price) > 2 * sum(cr_refunded_cash + cr_reversed_charge + cr_store_credit)
), cross_sales AS (
    SELECT i_product_name AS product, i_item_sk AS item_sk, s_store_name, s_zip, ad1.ca_city AS b_city, ad2.ca_city AS c_city, d1.d_year AS syear, count(*) AS cnt, sum(ss_wholesale_cost) AS s1, sum(ss_coupon_amt) AS s3
    FROM store_sales, store_returns, cs_ui, date_dim d1, date_dim d2, store, customer, customer_demographics cd1, promotion, household_demographics hd1, customer_address ad1, customer_address ad2, income_band ib1, item
    WHERE ss_store_sk = s_store_sk AND ss_sold_date_sk = d1.d_date_sk AND ss_customer_sk = c_customer_sk AND ss_cdemo_sk = cd1.cd_demo_sk AND ss_hdemo_sk = hd1.hd_demo_sk AND ss_addr_sk = ad1.ca_address_sk
      AND ss_item_sk = i_item_sk AND ss_item_sk = sr_item_sk AND ss_ticket_number = sr_ticket_number AND ss_item_sk = cs_ui.cs_item_sk AND c_current_addr_sk = ad2.ca_address_sk AND c_first_sales_date_sk = d2.d_date_sk
      AND ss_promo_sk = p_promo_sk AND hd1.hd_income_band_sk = ib1.ib_income_band_sk AND i_color IN ('maroon', 'burnished') AND i_current_price BETWEEN 35 AND 35 + 10
    GROUP BY i_product_name, i_item_sk, s_store_name, s_zip, ad1.ca_city, ad2.ca_city, d1.d_year)
SELECT cs1.product, cs1.s_store_name, cs1.b_city, cs1.syear, cs1.cnt, cs1.s1, cs2.s1, cs2.syear, cs2.cnt
FROM cross_sales cs1, cross_sales cs2 WHERE cs1.item_sk = cs2.item_sk AND cs1.syear = 1999 AND cs2.syear = 1999 + 1 AND cs2.cnt <= cs1.cnt AND cs1.s_zip = cs2.s_zip ORDER BY 1, 2, cs2.cnt

-- name: d65
SELECT s_store_name, i_item_desc, sc.revenue, i_current_price, i_brand
FROM store, item, (SELECT ss_store_sk, avg(revenue) AS ave FROM (SELECT ss_store_sk, ss_item_sk, sum(ss_sales_price) AS revenue FROM store_sales, date_dim
      WHERE ss_sold_date_sk = d_date_sk AND d_month_seq BETWEEN 1176 AND 1187 GROUP BY ss_store_sk, ss_item_sk) sa GROUP BY ss_store_sk) sb,
     (SELECT ss_store_sk, ss_item_sk, sum(ss_sales_price) AS revenue FROM store_sales GROUP BY ss_store_sk, ss_item_sk) sc
WHERE sb.ss_store_sk = sc.ss_store_sk AND sc.revenue <= 0.1 * sb.ave AND s_store_sk = sc.ss_store_sk AND i_item_sk = sc.ss_item_sk ORDER BY s_store_name, i_item_desc LIMIT 100

-- name: d66
SELECT w_warehouse_name, w_city, 'DHL' || ',' || 'BARIAN' AS ship_carriers, d_year AS year, sum(CASE WHEN d_moy = 1 THEN ws_ext_sales_price * ws_quantity ELSE 0 END) AS jan_sales,
       sum(CASE WHEN d_moy = 12 THEN ws_ext_sales_price * ws_quantity ELSE 0 END) / nullif(w_warehouse_sq_ft, 0) AS dec_per_foot
FROM web_sales, warehouse, date_dim, time_dim, ship_mode
WHERE ws_warehouse_sk = w_warehouse_sk AND ws_sold_date_sk = d_date_sk AND ws_sold_time_sk = t_time_sk AND ws_ship_mode_sk = sm_ship_mode_sk AND t_time BETWEEN 30838 AND 30838 + 28800 AND sm_carrier IN ('DHL', 'BARIAN')
GROUP BY w_warehouse_name, w_warehouse_sq_ft, w_city, d_year ORDER BY w_warehouse_name LIMIT 100

-- name: d67
SELECT * FROM (
    SELECT i_category, i_brand, d_year, d_qoy, s_store_id, sumsales, rank() OVER (PARTITION BY i_category ORDER BY sumsales DESC) AS rk
    FROM (SELECT i_category, i_brand, d_year, d_qoy, s_store_id, sum(coalesce(ss_sales_price * ss_quantity, 0)) AS sumsales FROM store_sales, date_dim, store, item
          WHERE ss_sold_date_sk = d_date_sk AND ss_item_sk = i_item_sk AND ss_store_sk = s_store_sk GROUP BY ROLLUP (i_category, i_brand, d_year, d_qoy, s_store_id)) dw1) dw2
WHERE rk <= 100 ORDER BY i_category, i_brand, d_year, d_qoy, s_store_id, sumsales, rk LIMIT 100

-- name: d68
SELECT c_last_name, c_first_name, ca_city, bought_city, ss_ticket_number, extended_price, extended_tax
FROM (SELECT ss_ticket_number, ss_customer_sk, ca_city AS bought_city, sum(ss_ext_sales_price) AS extended_price, sum(ss_ext_tax) AS extended_tax FROM store_sales, date_dim, store, household_demographics, customer_address
      WHERE ss_sold_date_sk = d_date_sk AND ss_store_sk = s_store_sk AND ss_hdemo_sk = hd_demo_sk AND ss_addr_sk = ca_address_sk AND d_dom BETWEEN 1 AND 2 AND (hd_dep_count = 4 OR hd_vehicle_count = 3)
      GROUP BY ss_ticket_number, ss_customer_sk, ss_addr_sk, ca_city) dn, customer, customer_address current_addr
WHERE ss_customer_sk = c_customer_sk AND c_current_addr_sk = current_addr.ca_address_sk AND current_addr.ca_city <> bought_city ORDER BY c_last_name, ss_ticket_number LIMIT 100

-- name: d69
SELECT cd_gender, cd_education_status, count(*) AS cnt1, cd_credit_rating, count(*) AS cnt2 FROM customer c, customer_address ca, customer_demographics
WHERE c.c_current_addr_sk = ca.ca_address_sk AND ca_state IN ('KY', 'GA', 'NM') AND cd_demo_sk = c.c_current_cdemo_sk
  AND EXISTS (SELECT * FROM store_sales, date_dim WHERE c.c_customer_sk = ss_customer_sk AND ss_sold_date_sk = d_date_sk AND d_year = 2001)
  AND (NOT EXISTS (SELECT * FROM web_sales WHERE c.c_customer_sk = ws_bill_customer_sk) AND NOT EXISTS (SELECT * FROM catalog_sales WHERE c.c_customer_sk = cs_ship_customer_sk))
GROUP BY cd_gender, cd_education_status, cd_credit_rating ORDER BY 1, 2, 4 LIMIT 100

-- name: d70
SELECT sum(ss_net_profit) AS total_sum, s_state, s_county, grouping(s_state) + grouping(s_county) AS lochierarchy,
       rank() OVER (PARTITION BY grouping(s_state) + grouping(s_county), CASE WHEN grouping(s_county) = 0 THEN s_state END ORDER BY sum(ss_net_profit) DESC) AS place
FROM store_sales, date_dim d1, store
WHERE d1.d_date_sk = ss_sold_date_sk AND s_store_sk = ss_store_sk
  AND s_state IN (SELECT s_state FROM (SELECT s_state, rank() OVER (PARTITION BY s_state ORDER BY sum(ss_net_profit) DESC) AS ranking FROM store_sales, store WHERE s_store_sk = ss_store_sk GROUP BY s_state) tmp WHERE ranking <= 5)
GROUP BY ROLLUP (s_state, s_county) ORDER BY lochierarchy DESC, CASE WHEN grouping(s_state) + grouping(s_county) = 0 THEN s_state END, place LIMIT 100

-- name: d71
SELECT i_brand_id, i_brand, t_hour, t_minute, sum(ext_price) AS ext_price
FROM item, (SELECT ws_ext_sales_price AS ext_price, ws_item_sk AS sold_item_sk, ws_sold_time_sk AS time_sk FROM web_sales, date_dim WHERE d_date_sk = ws_sold_date_sk AND d_moy = 12
      UNION ALL SELECT ss_ext_sales_price, ss_item_sk, ss_sold_time_sk FROM store_sales, date_dim WHERE d_date_sk = ss_sold_date_sk AND d_moy = 12) AS tmp, time_dim
WHERE sold_item_sk = i_item_sk AND i_manager_id = 1 AND time_sk = t_time_sk AND (t_meal_time = 'breakfast' OR t_meal_time = 'dinner') GROUP BY i_brand, i_brand_id, t_hour, t_minute ORDER BY ext_price DESC, i_brand_id

-- name: d72
SELECT i_item_desc, w_warehouse_name, d1.d_week_seq, sum(CASE WHEN p_promo_sk IS NULL THEN 1 ELSE 0 END) AS no_promo, sum(CASE WHEN p_promo_sk IS NOT NULL THEN 1 ELSE 0 END) AS promo, count(*) AS total_cnt
FROM catalog_sales JOIN inventory ON (cs_item_sk = inv_item_sk) JOIN warehouse ON (w_warehouse_sk = inv_warehouse_sk) JOIN item ON (i_item_sk = cs_item_sk)
JOIN customer_demographics ON (cs_bill_cdemo_sk = cd_demo_sk) JOIN household_demographics ON (cs_bill_hdemo_sk = hd_demo_sk) JOIN date_dim d1 ON (cs_sold_date_sk = d1.d_date_sk)
JOIN date_dim d2 ON (inv_date_sk = d2.d_date_sk) JOIN date_dim d3 ON (cs_ship_date_sk = d3.d_date_sk)
LEFT OUTER JOIN promotion ON (cs_promo_sk = p_promo_sk) LEFT OUTER JOIN catalog_returns ON (cr_item_sk = cs_item_sk AND cr_order_number = cs_order_number)
WHERE d1.d_week_seq = d2.d_week_seq AND inv_quantity_on_hand < cs_quantity AND d3.d_date > d1.d_date + 5 AND hd_buy_potential = '1001-5000' AND cd_marital_status = 'M'
GROUP BY i_item_desc, w_warehouse_name, d1.d_week_seq ORDER BY total_cnt DESC, i_item_desc, w_warehouse_name, d1.d_week_seq LIMIT 100

-- name: d73
SELECT c_last_name, c_first_name, c_preferred_cust_flag, ss_ticket_number, cnt FROM (
    SELECT ss_ticket_number, ss_customer_sk, count(*) AS cnt FROM store_sales, date_dim, store, household_demographics
    WHERE ss_sold_date_sk = d_date_sk AND ss_store_sk = s_store_sk AND ss_hdemo_sk = hd_demo_sk AND hd_vehicle_count > 0 AND CASE WHEN hd_vehicle_count > 0 THEN hd_dep_count / hd_vehicle_count ELSE NULL END > 1
    GROUP BY ss_ticket_number, ss_customer_sk) dj, customer WHERE ss_customer_sk = c_customer_sk AND cnt BETWEEN 1 AND 5 ORDER BY cnt DESC, c_last_name

-- name: d74
WITH year_total AS (
    SELECT c_customer_id AS id, d_year AS yr, stddev_samp(ss_net_paid) AS total, 's' AS sale_type FROM customer, store_sales, date_dim WHERE c_customer_sk = ss_customer_sk AND ss_sold_date_sk = d_date_sk GROUP BY 1, 2
    UNION ALL SELECT c_customer_id, d_year, stddev_samp(ws_net_paid), 'w' FROM customer, web_sales, date_dim WHERE c_customer_sk = ws_bill_customer_sk AND ws_sold_date_sk = d_date_sk GROUP BY 1, 2)
SELECT b.id FROM year_total a, year_total b, year_total c, year_total d
WHERE b.id = a.id AND c.id = a.id AND d.id = a.id AND a.sale_type = 's' AND b.sale_type = 's' AND c.sale_type = 'w' AND d.sale_type = 'w' AND a.yr = 1999 AND b.yr = 2000 AND c.yr = 1999 AND d.yr = 2000
  AND CASE WHEN c.total > 0 THEN d.total / c.total ELSE NULL END > CASE WHEN a.total > 0 THEN b.total / a.total ELSE NULL END ORDER BY 1 LIMIT 100

-- name: d75
WITH all_sales AS (
    SELECT d_year, i_brand_id, i_class_id, sum(cnt) AS cnt, sum(amt) AS amt FROM (
        SELECT d_year, i_brand_id, i_class_id, cs_quantity - coalesce(cr_return_quantity, 0) AS cnt, cs_ext_sales_price - coalesce(cr_return_amount, 0.0) AS amt
        FROM catalog_sales JOIN item ON i_item_sk = cs_item_sk JOIN date_dim ON d_date_sk = cs_sold_date_sk LEFT JOIN catalog_returns ON (cs_order_number = cr_order_number AND cs_item_sk = cr_item_sk) WHERE i_category = 'Sports'
        UNION SELECT d_year, i_brand_id, i_class_id, ss_quantity - coalesce(sr_return_quantity, 0), ss_ext_sales_price - coalesce(sr_return_amt, 0.0)
        FROM store_sales JOIN item ON i_item_sk = ss_item_sk JOIN date_dim ON d_date_sk = ss_sold_date_sk LEFT JOIN store_returns ON (ss_ticket_number = sr_ticket_number AND ss_item_sk = sr_item_sk) WHERE i_category = 'Sports') sales_detail
    GROUP BY d_year, i_brand_id, i_class_id)
SELECT prev_yr.d_year AS prev_year, curr_yr.d_year AS year, curr_yr.i_brand_id, curr_yr.cnt - prev_yr.cnt AS cnt_diff FROM all_sales curr_yr, all_sales prev_yr
WHERE curr_yr.i_brand_id = prev_yr.i_brand_id AND curr_yr.d_year = 2002 AND prev_yr.d_year = 2002 - 1 AND cast(curr_yr.cnt AS decimal(17, 2)) / cast(prev_yr.cnt AS decimal(17, 2)) < 0.9 ORDER BY cnt_diff LIMIT 100

-- name: d76
SELECT channel, col_name, d_year, d_qoy, i_category, count(*) AS sales_cnt, sum(ext_sales_price) AS sales_amt FROM (
    SELECT 'store' AS channel, 'ss_customer_sk' AS col_name, d_year, d_qoy, i_category, ss_ext_sales_price AS ext_sales_price FROM store_sales, item, date_dim WHERE ss_customer_sk IS NULL AND ss_sold_date_sk = d_date_sk AND ss_item_sk = i_item_sk
    UNION ALL SELECT 'web', 'ws_promo_sk', d_year, d_qoy, i_category, ws_ext_sales_price FROM web_sales, item, date_dim WHERE ws_promo_sk IS NULL AND ws_sold_date_sk = d_date_sk AND ws_item_sk = i_item_sk) foo
GROUP BY channel, col_name, d_year, d_qoy, i_category ORDER BY channel, col_name, d_year, d_qoy, i_category LIMIT 100

-- name: d77
WITH ss AS (SELECT s_store_sk, sum(ss_ext_sales_price) AS sales, sum(ss_net_profit) AS profit FROM store_sales, date_dim, store WHERE ss_sold_date_sk = d_date_sk AND ss_store_sk = s_store_sk GROUP BY s_store_sk),
     sr AS (SELECT s_store_sk, sum(sr_return_amt) AS given_back, sum(sr_net_loss) AS loss FROM store_returns, date_dim, store WHERE sr_returned_date_sk = d_date_sk AND sr_store_sk = s_store_sk GROUP BY s_store_sk),
     cs AS (SELECT cs_call_center_sk, sum(cs_ext_sales_price) AS sales, sum(cs_net_profit) AS profit FROM catalog_sales GROUP BY cs_call_center_sk), cr AS (SELECT sum(cr_return_amount) AS given_back, sum(cr_net_loss) AS loss FROM catalog_returns)
SELECT channel, id, sum(sales), sum(given_back), sum(profit) FROM (
    SELECT 'store channel' AS channel, ss.s_store_sk AS id, sales, coalesce(given_back, 0) AS given_back, (profit - coalesce(loss, 0)) AS profit FROM ss LEFT JOIN sr ON ss.s_store_sk = sr.s_store_sk
    UNION ALL SELECT 'catalog channel', cs_call_center_sk, sales, given_back, (profit - loss) FROM cs, cr) x GROUP BY ROLLUP (channel, id) ORDER BY channel, id LIMIT 100

-- name: d78
WITH ws AS (
    SELECT d_year AS yr, ws_item_sk AS item_sk, ws_bill_customer_sk AS who, sum(ws_quantity) AS qty FROM web_sales LEFT JOIN web_returns ON wr_order_number = ws_order_number AND ws_item_sk = wr_item_sk JOIN date_dim ON ws_sold_date_sk = d_date_sk WHERE wr_order_number IS NULL GROUP BY 1, 2, 3
), ss AS (
    SELECT d_year AS yr, ss_item_sk AS item_sk, ss_customer_sk AS who, sum(ss_quantity) AS qty FROM store_sales LEFT JOIN store_returns ON sr_ticket_number = ss_ticket_number AND ss_item_sk = sr_item_sk JOIN date_dim ON ss_sold_date_sk = d_date_sk WHERE sr_ticket_number IS NULL GROUP BY 1, 2, 3)
SELECT ss.item_sk, round(ss.qty / (coalesce(ws.qty, 0) + 1.0), 2) AS ratio, ss.qty AS store_qty FROM ss LEFT JOIN ws ON (ws.yr = ss.yr AND ws.item_sk = ss.item_sk AND ws.who = ss.who)
WHERE coalesce(ws.qty, 0) > 0 AND ss.yr = 2000 ORDER BY ss.item_sk, ss.qty DESC, ratio LIMIT 100

-- name: d79
SELECT c_last_name, c_first_name, substr(s_city, 1, 30), ss_ticket_number, amt, profit FROM (
    SELECT ss_ticket_number, ss_customer_sk, store.s_city, sum(ss_coupon_amt) AS amt, sum(ss_net_profit) AS profit FROM store_sales, date_dim, store, household_demographics
    WHERE ss_sold_date_sk = d_date_sk AND ss_store_sk = s_store_sk AND ss_hdemo_sk = hd_demo_sk AND (hd_dep_count = 6 OR hd_vehicle_count > 2) AND d_dow = 1 AND s_number_employees BETWEEN 200 AND 295
    GROUP BY ss_ticket_number, ss_customer_sk, ss_addr_sk, store.s_city) ms, customer WHERE ss_customer_sk = c_customer_sk ORDER BY c_last_name, c_first_name, 3, profit LIMIT 100

-- name: d80
WITH ssr AS (
    SELECT s_store_id AS id, sum(ss_ext_sales_price) AS sales, sum(coalesce(sr_return_amt, 0)) AS given_back, sum(ss_net_profit - coalesce(sr_net_loss, 0)) AS profit
    FROM store_sales LEFT OUTER JOIN store_returns ON (ss_item_sk = sr_item_sk AND ss_ticket_number = sr_ticket_number), date_dim, store, item, promotion
    WHERE ss_sold_date_sk = d_date_sk AND d_date BETWEEN cast('2002-08-06' AS date) AND (cast('2002-08-06' AS date) + 30) AND ss_store_sk = s_store_sk AND ss_item_sk = i_item_sk AND ss_promo_sk = p_promo_sk AND p_channel_tv = 'N' GROUP BY s_store_id
), wsr AS (
    SELECT web_site_id AS id, sum(ws_ext_sales_price) AS sales, sum(coalesce(wr_return_amt, 0)) AS given_back, sum(ws_net_profit - coalesce(wr_net_loss, 0)) AS profit
    FROM web_sales LEFT OUTER JOIN web_returns ON (ws_item_sk = wr_item_sk AND ws_order_number = wr_order_number), web_site WHERE ws_web_site_sk = web_site_sk GROUP BY web_site_id)
SELECT channel, id, sum(sales) AS sales, sum(given_back), sum(profit) FROM (SELECT 'store channel' AS channel, 'store' || id AS id, sales, given_back, profit FROM ssr UNION ALL SELECT 'web channel', 'web_site' || id, sales, given_back, profit FROM wsr) x
GROUP BY ROLLUP (channel, id) ORDER BY channel, id LIMIT 100

-- name: d81
WITH ctr AS (
    SELECT cr_returning_customer_sk AS who, ca_state AS state, sum(cr_return_amt_inc_tax) AS total FROM catalog_returns, date_dim, customer_address WHERE cr_returned_date_sk = d_date_sk AND d_year = 1998 AND cr_returning_addr_sk = ca_address_sk GROUP BY 1, 2)
SELECT c_customer_id, ca_street_number, ca_city, ca_zip, total FROM ctr ctr1, customer_address, customer
WHERE ctr1.total > (SELECT avg(total) * 1.2 FROM ctr ctr2 WHERE ctr1.state = ctr2.state) AND ca_address_sk = c_current_addr_sk AND ca_state = 'IL' AND ctr1.who = c_customer_sk ORDER BY 1, 2, 3, 4, 5 LIMIT 100

-- name: d82
SELECT i_item_id, i_item_desc, i_current_price FROM item, inventory, date_dim, store_sales
WHERE i_current_price BETWEEN 30 AND 30 + 30 AND inv_item_sk = i_item_sk AND d_date_sk = inv_date_sk AND d_date BETWEEN cast('2002-05-30' AS date) AND cast('2002-05-30' AS date) + interval '60 days'
  AND i_manufact_id IN (437, 129, 727, 663) AND inv_quantity_on_hand BETWEEN 100 AND 500 AND ss_item_sk = i_item_sk GROUP BY i_item_id, i_item_desc, i_current_price ORDER BY i_item_id LIMIT 100

-- name: d83
WITH sr AS (SELECT i_item_id AS id, sum(sr_return_quantity) AS qty FROM store_returns, item, date_dim WHERE sr_item_sk = i_item_sk AND sr_returned_date_sk = d_date_sk
            AND d_date IN (SELECT d_date FROM date_dim WHERE d_week_seq IN (SELECT d_week_seq FROM date_dim WHERE d_date IN ('2000-01-29', '2000-09-17', '2000-11-13'))) GROUP BY i_item_id),
     wr AS (SELECT i_item_id AS id, sum(wr_return_quantity) AS qty FROM web_returns, item WHERE wr_item_sk = i_item_sk GROUP BY i_item_id)
SELECT sr.id, sr.qty, sr.qty / (sr.qty + wr.qty) / 2.0 * 100 AS share, (sr.qty + wr.qty) / 2.0 AS average FROM sr, wr WHERE sr.id = wr.id ORDER BY sr.id, sr.qty LIMIT 100

-- name: d84
SELECT c_customer_id AS customer_id, coalesce(c_last_name, '') || ', ' || coalesce(c_first_name, '') AS customername FROM customer, customer_address, customer_demographics, household_demographics, income_band, store_returns
WHERE ca_city = 'Hopewell' AND c_current_addr_sk = ca_address_sk AND ib_lower_bound >= 32287 AND ib_upper_bound <= 32287 + 50000 AND ib_income_band_sk = hd_income_band_sk
  AND cd_demo_sk = c_current_cdemo_sk AND hd_demo_sk = c_current_hdemo_sk AND sr_cdemo_sk = cd_demo_sk ORDER BY c_customer_id LIMIT 100

-- name: d85
SELECT substr(r_reason_desc, 1, 20), avg(ws_quantity), avg(wr_refunded_cash), avg(wr_fee) FROM web_sales, web_returns, web_page, customer_demographics cd1, customer_demographics cd2, customer_address, date_dim, reason
WHERE ws_web_page_sk = wp_web_page_sk AND ws_item_sk = wr_item_sk AND ws_order_number = wr_order_number AND ws_sold_date_sk = d_date_sk AND cd1.cd_demo_sk = wr_refunded_cdemo_sk AND cd2.cd_demo_sk = wr_returning_cdemo_sk
  AND ca_address_sk = wr_refunded_addr_sk AND r_reason_sk = wr_reason_sk AND ((cd1.cd_marital_status = 'M' AND cd1.cd_marital_status = cd2.cd_marital_status AND ws_sales_price BETWEEN 100.00 AND 150.00) OR (cd1.cd_marital_status = 'D' AND ws_sales_price < 50))
GROUP BY r_reason_desc ORDER BY 1, 2, 3, 4 LIMIT 100

-- name: d86
SELECT sum(ws_net_paid) AS total_sum, i_category, i_class, grouping(i_category, i_class) AS level, rank() OVER (PARTITION BY grouping(i_category, i_class) ORDER BY sum(ws_net_paid) DESC) AS place
FROM web_sales, date_dim d1, item WHERE d1.d_month_seq BETWEEN 1183 AND 1194 AND d1.d_date_sk = ws_sold_date_sk AND i_item_sk = ws_item_sk GROUP BY ROLLUP (i_category, i_class) ORDER BY level DESC, place LIMIT 100

-- name: d87
SELECT count(*) FROM (
    (SELECT DISTINCT c_last_name, c_first_name, d_date FROM store_sales, date_dim, customer WHERE ss_sold_date_sk = d_date_sk AND ss_customer_sk = c_customer_sk)
    EXCEPT (SELECT DISTINCT c_last_name, c_first_name, d_date FROM catalog_sales, date_dim, customer WHERE cs_sold_date_sk = d_date_sk AND cs_bill_customer_sk = c_customer_sk)
    EXCEPT (SELECT DISTINCT c_last_name, c_first_name, d_date FROM web_sales, date_dim, customer WHERE ws_sold_date_sk = d_date_sk AND ws_bill_customer_sk = c_customer_sk)) cool_cust

-- name: d88
SELECT * FROM (SELECT count(*) AS h8_30_to_9 FROM store_sales, household_demographics, time_dim, store WHERE ss_sold_time_sk = t_time_sk AND ss_hdemo_sk = hd_demo_sk AND ss_store_sk = s_store_sk AND t_hour = 8 AND t_minute >= 30 AND ((hd_dep_count = 0 AND hd_vehicle_count <= 0 + 2) OR hd_dep_count = 3)) s1,
     (SELECT count(*) AS h9_to_9_30 FROM store_sales, time_dim WHERE ss_sold_time_sk = t_time_sk AND t_hour = 9 AND t_minute < 30) s2, (SELECT count(*) AS h10 FROM store_sales, time_dim WHERE ss_sold_time_sk = t_time_sk AND t_hour = 10) s3

-- name: d89
SELECT * FROM (SELECT i_category, i_class, s_store_name, d_moy, sum(ss_sales_price) AS sum_sales, avg(sum(ss_sales_price)) OVER (PARTITION BY i_category, s_store_name) AS avg_monthly FROM item, store_sales, date_dim, store
      WHERE ss_item_sk = i_item_sk AND ss_sold_date_sk = d_date_sk AND ss_store_sk = s_store_sk AND d_year IN (2001) AND ((i_category IN ('Books', 'Home') AND i_class IN ('parenting', 'wallpaper')) OR (i_category = 'Shoes')) GROUP BY i_category, i_class, s_store_name, d_moy) tmp1
WHERE CASE WHEN (avg_monthly <> 0) THEN (abs(sum_sales - avg_monthly) / avg_monthly) ELSE NULL END > 0.1 ORDER BY sum_sales - avg_monthly, s_store_name LIMIT 100

-- name: d90
SELECT cast(amc AS decimal(15, 4)) / cast(nullif(pmc, 0) AS decimal(15, 4)) AS am_pm_ratio
FROM (SELECT count(*) AS amc FROM web_sales, household_demographics, time_dim, web_page WHERE ws_sold_time_sk = t_time_sk AND ws_ship_hdemo_sk = hd_demo_sk AND ws_web_page_sk = wp_web_page_sk AND t_hour BETWEEN 9 AND 9 + 1 AND wp_char_count BETWEEN 5000 AND 5200) a,
     (SELECT count(*) AS pmc FROM web_sales, time_dim WHERE ws_sold_time_sk = t_time_sk AND t_hour BETWEEN 19 AND 20) p ORDER BY am_pm_ratio LIMIT 100

-- name: d91
SELECT cc_call_center_id, cc_name, cc_manager, sum(cr_net_loss) AS loss FROM call_center, catalog_returns, date_dim, customer, customer_address, customer_demographics, household_demographics
WHERE cr_call_center_sk = cc_call_center_sk AND cr_returned_date_sk = d_date_sk AND cr_returning_customer_sk = c_customer_sk AND cd_demo_sk = c_current_cdemo_sk AND hd_demo_sk = c_current_hdemo_sk AND ca_address_sk = c_current_addr_sk
  AND ((cd_marital_status = 'M' AND cd_education_status = 'Unknown') OR (cd_marital_status = 'W' AND cd_education_status = 'Advanced Degree')) AND hd_buy_potential LIKE '0-500%' GROUP BY 1, 2, 3, cd_marital_status ORDER BY sum(cr_net_loss) DESC

-- name: d92
SELECT sum(ws_ext_discount_amt) AS "Excess Discount Amount" FROM web_sales, item, date_dim
WHERE i_manufact_id = 356 AND i_item_sk = ws_item_sk AND d_date BETWEEN '2001-03-12' AND (cast('2001-03-12' AS date) + interval '90' day) AND d_date_sk = ws_sold_date_sk
  AND ws_ext_discount_amt > (SELECT 1.3 * avg(ws_ext_discount_amt) FROM web_sales, date_dim WHERE ws_item_sk = i_item_sk AND d_date_sk = ws_sold_date_sk) ORDER BY sum(ws_ext_discount_amt) LIMIT 100

-- name: d93
SELECT ss_customer_sk, sum(act_sales) AS sumsales FROM (SELECT ss_customer_sk, CASE WHEN sr_return_quantity IS NOT NULL THEN (ss_quantity - sr_return_quantity) * ss_sales_price ELSE (ss_quantity * ss_sales_price) END AS act_sales
      FROM store_sales LEFT OUTER JOIN store_returns ON (sr_item_sk = ss_item_sk AND sr_ticket_number = ss_ticket_number), reason WHERE sr_reason_sk = r_reason_sk AND r_reason_desc = 'reason 66') t
GROUP BY ss_customer_sk ORDER BY sumsales, ss_customer_sk LIMIT 100

-- name: d94
SELECT count(DISTINCT ws_order_number) AS "order count", sum(ws_ext_ship_cost) AS "total shipping cost" FROM web_sales ws1, date_dim, customer_address, web_site
WHERE d_date BETWEEN '1999-05-01' AND (cast('1999-05-01' AS date) + interval '60 days') AND ws1.ws_ship_date_sk = d_date_sk AND ws1.ws_ship_addr_sk = ca_address_sk AND ca_state = 'TX' AND ws1.ws_web_site_sk = web_site_sk
  AND EXISTS (SELECT * FROM web_sales ws2 WHERE ws1.ws_order_number = ws2.ws_order_number AND ws1.ws_warehouse_sk <> ws2.ws_warehouse_sk) AND NOT EXISTS (SELECT * FROM web_returns wr1 WHERE ws1.ws_order_number = wr1.wr_order_number)
ORDER BY count(DISTINCT ws_order_number) LIMIT 100

-- name: d95
WITH ws_wh AS (SELECT ws1.ws_order_number, ws1.ws_warehouse_sk AS wh1, ws2.ws_warehouse_sk AS wh2 FROM web_sales ws1, web_sales ws2 WHERE ws1.ws_order_number = ws2.ws_order_number AND ws1.ws_warehouse_sk <> ws2.ws_warehouse_sk)
SELECT count(DISTINCT ws_order_number), sum(ws_net_profit) FROM web_sales ws1, date_dim, customer_address WHERE ws1.ws_ship_date_sk = d_date_sk AND ws1.ws_ship_addr_sk = ca_address_sk AND ca_state = 'NC'
  AND ws1.ws_order_number IN (SELECT ws_order_number FROM ws_wh) AND ws1.ws_order_number IN (SELECT wr_order_number FROM web_returns, ws_wh WHERE wr_order_number = ws_wh.ws_order_number)

-- name: d96
SELECT count(*) FROM store_sales, household_demographics, time_dim, store
WHERE ss_sold_time_sk = time_dim.t_time_sk AND ss_hdemo_sk = household_demographics.hd_demo_sk AND ss_store_sk = s_store_sk AND time_dim.t_hour = 8 AND time_dim.t_minute >= 30 AND household_demographics.hd_dep_count = 5 AND store.s_store_name = 'ese' ORDER BY count(*) LIMIT 100

-- name: d97
WITH ssci AS (SELECT ss_customer_sk AS customer_sk, ss_item_sk AS item_sk FROM store_sales, date_dim WHERE ss_sold_date_sk = d_date_sk AND d_month_seq BETWEEN 1190 AND 1190 + 11 GROUP BY ss_customer_sk, ss_item_sk),
     csci AS (SELECT cs_bill_customer_sk AS customer_sk, cs_item_sk AS item_sk FROM catalog_sales, date_dim WHERE cs_sold_date_sk = d_date_sk AND d_month_seq BETWEEN 1190 AND 1190 + 11 GROUP BY cs_bill_customer_sk, cs_item_sk)
SELECT sum(CASE WHEN ssci.customer_sk IS NOT NULL AND csci.customer_sk IS NULL THEN 1 ELSE 0 END) AS store_only, sum(CASE WHEN ssci.customer_sk IS NOT NULL AND csci.customer_sk IS NOT NULL THEN 1 ELSE 0 END) AS both_channels
FROM ssci FULL OUTER JOIN csci ON (ssci.customer_sk = csci.customer_sk AND ssci.item_sk = csci.item_sk) LIMIT 100

-- name: d98
SELECT i_item_desc, i_category, i_class, i_current_price, sum(ss_ext_sales_price) AS itemrevenue, sum(ss_ext_sales_price) * 100 / sum(sum(ss_ext_sales_price)) OVER (PARTITION BY i_class) AS revenueratio
FROM store_sales, item, date_dim WHERE ss_item_sk = i_item_sk AND i_category IN ('Shoes', 'Electronics') AND ss_sold_date_sk = d_date_sk AND d_date BETWEEN cast('2001-03-09' AS date) AND (cast('2001-03-09' AS date) + interval '30 days')
GROUP BY i_item_id, i_item_desc, i_category, i_class, i_current_price ORDER BY i_category, i_class, i_item_id, i_item_desc, revenueratio

-- name: d99
SELECT substr(w_warehouse_name, 1, 20), sm_type, cc_name, sum(CASE WHEN (cs_ship_date_sk - cs_sold_date_sk <= 30) THEN 1 ELSE 0 END) AS "30 days", sum(CASE WHEN (cs_ship_date_sk - cs_sold_date_sk > 30) AND (cs_ship_date_sk - cs_sold_date_sk <= 60) THEN 1 ELSE 0 END) AS "31-60 days"
FROM catalog_sales, warehouse, ship_mode, call_center, date_dim WHERE d_month_seq BETWEEN 1203 AND 1203 + 11 AND cs_ship_date_sk = d_date_sk AND cs_warehouse_sk = w_warehouse_sk AND cs_ship_mode_sk = sm_ship_mode_sk AND cs_call_center_sk = cc_call_center_sk
GROUP BY substr(w_warehouse_name, 1, 20), sm_type, cc_name ORDER BY 1, 2, 3 LIMIT 100
