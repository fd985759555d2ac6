-- The statements behind `zava refresh`, by name. They run as the owner of the schema.

-- name: begin_refresh
-- What is kept and which marks are deleted have to be of one snapshot.
BEGIN ISOLATION LEVEL REPEATABLE READ

-- name: limit_refresh_lock
-- Another refresh may be at work.
SET LOCAL lock_timeout = '60s'

-- name: lock_refreshes
-- Taken before the snapshot is, so that the snapshot shows what the other refresh has done.
LOCK TABLE retail.refreshes IN SHARE UPDATE EXCLUSIVE MODE

-- name: lock_sales
-- Likewise, so that no TRUNCATE comes between the snapshot and what is read.
LOCK TABLE retail.orders, retail.order_items IN ACCESS SHARE MODE

-- name: refresh_due
-- How much was written since, and whether what is recommended is older than a day, or of never.
SELECT (SELECT count(*) FROM (SELECT DISTINCT store_id, day FROM retail.changed_orders) AS c) AS days,
       NOT EXISTS (SELECT FROM retail.refreshes
                   WHERE what = 'recommendations' AND refreshed_at > now() - interval '1 day') AS recommendations

-- name: refresh_sales_totals
-- Keeps the marked days as they are now.
SELECT retail.refresh_sales_totals() AS days

-- name: refresh_recommendations
-- Counts pairs and segments again.
SELECT retail.refresh_recommendations()

-- name: commit_refresh
-- Everything of the refresh at once.
COMMIT
