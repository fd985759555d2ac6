-- The statements behind product search, by name. Values are named parameters.

-- name: embedding_model
-- The model that made the products' vectors, or NULL where there are none.
SELECT (SELECT e.embedding_model FROM retail.product_description_embeddings AS e LIMIT 1) AS embedding_model

-- name: search_state
-- The model likewise, and when the orders that hold each product were last counted.
SELECT (SELECT e.embedding_model FROM retail.product_description_embeddings AS e LIMIT 1) AS embedding_model,
       (SELECT r.refreshed_at FROM retail.refreshes AS r WHERE r.what = 'recommendations') AS orders_as_of

-- name: list_categories
-- Categories by name, for the filter.
SELECT c.category_id, c.name FROM retail.categories AS c ORDER BY c.name

-- name: list_vocabulary
-- The commonest words of the catalogue, for spelling.
SELECT v.word, v.products FROM retail.search_vocabulary AS v ORDER BY v.products DESC, v.word

-- name: catalogue_size
-- How many products have words.
SELECT count(*) AS products FROM retail.product_search_words

-- name: known_stems
-- Which of some words PostgreSQL reads as a word of the catalogue, or as a stop word.
SELECT asked.word
FROM unnest(%(words)s::text[]) AS asked (word)
CROSS JOIN LATERAL ts_lexize('english_stem', asked.word) AS stems
WHERE stems = '{}' OR EXISTS (SELECT FROM retail.search_vocabulary AS v WHERE v.stem = stems[1])

-- name: search_products
-- Products for a question, by its vector and by its words, with the caller's stock.
SELECT f.*
FROM retail.search_products(
    asked_words => %(words)s::text,
    asked_vector => %(vector)s::public.vector,
    asked_threshold => %(threshold)s::double precision,
    asked_depth => %(depth)s::integer,
    asked_max_rows => %(max_rows)s::integer,
    asked_most_words => %(most_words)s::integer,
    asked_category_id => %(category_id)s::uuid,
    asked_min_price => %(min_price)s::numeric,
    asked_max_price => %(max_price)s::numeric,
    asked_in_stock_only => %(in_stock_only)s::boolean,
    asked_is_filtered => %(is_filtered)s::boolean) AS f

-- name: left_out_of_stock
-- Of the best products for a question, whatever their stock: how many there are, how many have a stock that is known
-- in no store of the caller's, and whether any stock is known there.
SELECT count(*) AS candidates, count(*) FILTER (WHERE f.stock IS NULL) AS unknown,
       EXISTS (SELECT FROM retail.inventory) AS is_any_known
FROM retail.search_products(
    asked_words => %(words)s::text,
    asked_vector => %(vector)s::public.vector,
    asked_threshold => %(threshold)s::double precision,
    asked_depth => %(depth)s::integer,
    asked_max_rows => %(max_rows)s::integer,
    asked_most_words => %(most_words)s::integer,
    asked_category_id => %(category_id)s::uuid,
    asked_min_price => %(min_price)s::numeric,
    asked_max_price => %(max_price)s::numeric,
    asked_in_stock_only => false,
    asked_is_filtered => %(is_filtered_besides)s::boolean) AS f
