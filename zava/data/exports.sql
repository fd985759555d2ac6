-- What an export says of the data.

-- name: data_through
-- The last business day with orders in the stores of the person.
SELECT max(latest.business_day)::text AS day
FROM retail.stores AS s
CROSS JOIN LATERAL (
    SELECT o.business_day
    FROM retail.orders AS o
    WHERE o.store_id = s.store_id
    ORDER BY o.business_day DESC
    LIMIT 1
) AS latest
