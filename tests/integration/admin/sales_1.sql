-- A small chain for version 1 of the schema: stores, products, customers, and two months of orders of every status,
-- some around midnight. The same rows each time.
INSERT INTO retail.stores (store_id, name, location, is_online, manager_id, created_at)
SELECT md5('store' || n)::uuid, 'Store ' || n, CASE n WHEN 3 THEN 'Online' ELSE 'Town ' || n END, n = 3,
       CASE n WHEN 1 THEN 'f47ac10b-58cc-4372-a567-0e02b2c3d479'::uuid ELSE md5('manager' || n)::uuid END, '2025-01-01'
FROM generate_series(1, 3) AS n;
INSERT INTO retail.regional_managers (user_id, name) VALUES (md5('region')::uuid, 'Head Office');
INSERT INTO retail.regional_manager_stores (user_id, store_id) SELECT md5('region')::uuid, store_id FROM retail.stores;
INSERT INTO retail.login_identities (login, user_id) VALUES ('nobody_yet', md5('region')::uuid);
INSERT INTO retail.categories (category_id, name) SELECT md5('category' || n)::uuid, 'Category ' || n FROM generate_series(1, 3) AS n;
INSERT INTO retail.product_types (type_id, category_id, name)
SELECT md5('type' || n)::uuid, md5('category' || (n - 1) % 3 + 1)::uuid, 'Type ' || n FROM generate_series(1, 6) AS n;
INSERT INTO retail.products (product_id, sku, name, description, category_id, type_id, cost, base_price)
SELECT md5('product' || n)::uuid, 'SKU' || n, 'Hammer ' || n, 'Drives nail ' || n, t.category_id, t.type_id, 0.01 + n, 1.99 * n
FROM generate_series(1, 12) AS n JOIN retail.product_types AS t ON t.name = 'Type ' || (n - 1) % 6 + 1;
INSERT INTO retail.product_description_embeddings (product_id, description_embedding, embedding_model, text_hash)
SELECT product_id, array_fill(0.025, ARRAY[1536])::public.vector, 'none', md5(name) FROM retail.products LIMIT 3;
INSERT INTO retail.inventory (store_id, product_id, stock_level, updated_at)
SELECT s.store_id, p.product_id, ('x' || left(md5(s.name || p.sku), 2))::bit(8)::integer, '2026-01-02 03:04:05Z'
FROM retail.stores AS s CROSS JOIN retail.products AS p WHERE p.sku <> 'SKU12';
INSERT INTO retail.customers (customer_id, store_id, first_name, last_name, email, created_at)
SELECT md5('customer' || n)::uuid, md5('store' || n % 3 + 1)::uuid, 'First ' || n, 'Last ' || n, n || '@example.com',
       timestamptz '2025-02-01Z' + n * interval '1 day'
FROM generate_series(1, 40) AS n;
INSERT INTO retail.orders (order_id, customer_id, store_id, order_date, total_amount, status)
SELECT md5('order' || n)::uuid, c.customer_id, c.store_id,
       timestamptz '2026-01-01 00:00Z' + n * interval '7 hours 59 minutes 59.5 seconds', 0,
       (ARRAY['pending', 'shipped', 'completed', 'completed', 'cancelled', 'completed', 'returned'])[n % 7 + 1]
FROM generate_series(0, 299) AS n JOIN retail.customers AS c ON c.email = n * 17 % 37 + 1 || '@example.com';
INSERT INTO retail.order_items (order_item_id, order_id, store_id, product_id, quantity, unit_price, discount_percent, discount_amount, total_amount)
SELECT md5(o.order_id || p.sku)::uuid, o.order_id, o.store_id, p.product_id, q.quantity, p.base_price, q.percent, d.discount,
       q.quantity * p.base_price - d.discount
FROM retail.orders AS o
JOIN retail.products AS p ON left(md5(o.order_id || p.sku), 1) < '4'
CROSS JOIN LATERAL (SELECT ('x' || left(md5(p.sku || o.order_id), 1))::bit(4)::integer + 1 AS quantity,
                           CASE WHEN left(md5(p.sku || o.order_id), 1) < '5' THEN 15 ELSE 0 END AS percent) AS q
CROSS JOIN LATERAL (SELECT round(q.quantity * p.base_price * q.percent / 100, 2) AS discount) AS d;
UPDATE retail.orders AS o SET total_amount = coalesce((SELECT sum(i.total_amount) FROM retail.order_items AS i WHERE i.order_id = o.order_id), 0);
