-- class: now
-- varies

-- name: current-date
SELECT current_date, current_time, current_timestamp, localtime, localtimestamp
-- name: clocks
SELECT now(), statement_timestamp(), transaction_timestamp()
-- name: last-thirty-days
SELECT count(*), max(order_date) FROM retail.orders WHERE order_date >= now() - interval '30 days'
-- name: month-to-date
SELECT coalesce(sum(total_amount), 0), date_trunc('month', now()) FROM retail.orders WHERE order_date >= date_trunc('month', current_date)
-- name: age-of-the-newest-order
SELECT age(max(order_date)), now() - max(order_date), extract(day FROM current_date - max(order_date)) FROM retail.orders
-- name: random
SELECT random(), random() * 100, gen_random_uuid(), floor(random() * 6 + 1)::int
-- name: random-order
SELECT sku FROM retail.products ORDER BY random() LIMIT 5
-- name: random-sample
SELECT count(*) FROM retail.products TABLESAMPLE BERNOULLI (50)
-- name: random-normal
SELECT random_normal(0, 1), array_sample(ARRAY[1, 2, 3], 2), array_shuffle(ARRAY[1, 2])
-- name: who-and-where
SELECT pg_backend_pid(), current_database(), current_schema(), version()
-- name: uptime
SELECT now() - pg_postmaster_start_time()
-- name: to-char-now
SELECT to_char(now(), 'YYYY-MM'), to_char(current_date - 1, 'Day')
