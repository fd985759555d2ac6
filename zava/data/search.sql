-- The statements behind product search and `zava embed`, by name.

-- name: embedding_models
-- What has made the vectors that there are.
SELECT DISTINCT embedding_model AS model FROM retail.product_description_embeddings

-- name: embedding_model
-- The model that made the products' vectors, or NULL where there are none.
SELECT (SELECT e.embedding_model FROM retail.product_description_embeddings AS e LIMIT 1) AS embedding_model

-- name: list_categories
-- Categories by name, for the filter.
SELECT c.category_id, c.name FROM retail.categories AS c ORDER BY c.name

-- name: list_vocabulary
-- The commonest words of the catalogue, for spelling.
SELECT v.word, v.products FROM retail.search_vocabulary AS v ORDER BY v.products DESC, v.word

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
    asked_is_filtered => %(is_filtered)s::boolean,
    asked_weight_name => %(weight_name)s::double precision,
    asked_weight_type => %(weight_type)s::double precision,
    asked_weight_description => %(weight_description)s::double precision,
    asked_weight_category => %(weight_category)s::double precision,
    asked_share_bonus => %(share_bonus)s::double precision,
    asked_strange_malus => %(strange_malus)s::double precision,
    asked_strange_head => %(strange_head)s::double precision,
    asked_mention_malus => %(mention_malus)s::double precision,
    asked_headless_share => %(headless_share)s::double precision) AS f

-- name: pending_products
-- The next products whose vector is missing, of another text, or of another model.
SELECT p.product_id, t.embedded_text, t.text_hash
FROM retail.products AS p
JOIN retail.categories AS c ON c.category_id = p.category_id
JOIN retail.product_types AS k ON k.type_id = p.type_id
CROSS JOIN LATERAL (
    SELECT text AS embedded_text, encode(sha256(convert_to(text, 'UTF8')), 'hex') AS text_hash
    FROM (SELECT concat(p.name, '. ', k.name, '. ', c.name, '. ', p.description) AS text) AS made
) AS t
LEFT JOIN retail.product_description_embeddings AS e ON e.product_id = p.product_id
WHERE p.product_id > %(after)s
    AND (%(all)s OR e.product_id IS NULL OR e.text_hash <> t.text_hash OR e.embedding_model <> %(model)s)
ORDER BY p.product_id
LIMIT %(limit)s

-- name: count_pending_products
-- How many these are, and how many products there are.
SELECT count(*) FILTER (
           WHERE %(all)s OR e.product_id IS NULL OR e.embedding_model <> %(model)s
               OR e.text_hash <> encode(sha256(convert_to(concat(p.name, '. ', k.name, '. ', c.name, '. ', p.description), 'UTF8')), 'hex')
       ) AS pending,
       count(*) AS products
FROM retail.products AS p
JOIN retail.categories AS c ON c.category_id = p.category_id
JOIN retail.product_types AS k ON k.type_id = p.type_id
LEFT JOIN retail.product_description_embeddings AS e ON e.product_id = p.product_id

-- name: create_staging
-- Where a batch of vectors is copied to.
CREATE TEMPORARY TABLE staged_embeddings (
    product_id uuid NOT NULL, description_embedding public.vector(1536) NOT NULL, text_hash text NOT NULL
) ON COMMIT DROP

-- name: copy_staging
-- A batch of vectors.
COPY staged_embeddings (product_id, description_embedding, text_hash) FROM STDIN

-- name: merge_staging
-- The batch into the table; a product that went away meanwhile is left out.
INSERT INTO retail.product_description_embeddings AS e (product_id, description_embedding, embedding_model, text_hash)
SELECT s.product_id, s.description_embedding, %(model)s, s.text_hash
FROM staged_embeddings AS s
WHERE EXISTS (SELECT FROM retail.products AS p WHERE p.product_id = s.product_id FOR KEY SHARE)
ON CONFLICT (product_id) DO UPDATE
SET description_embedding = EXCLUDED.description_embedding, embedding_model = EXCLUDED.embedding_model,
    text_hash = EXCLUDED.text_hash, last_updated = now()

-- name: drop_embedding_indexes
-- Before a load that is large: an index is built faster after it.
DROP INDEX IF EXISTS retail.idx_product_embeddings_vector, retail.idx_product_embeddings_short

-- name: has_short_embedding_index
-- Whether the index for vectors of few dimensions is there.
SELECT to_regclass('retail.idx_product_embeddings_short') IS NOT NULL

-- name: has_embedding_index
-- Whether there is any index of vectors.
SELECT to_regclass('retail.idx_product_embeddings_short') IS NOT NULL
    OR to_regclass('retail.idx_product_embeddings_vector') IS NOT NULL

-- name: index_embeddings
-- Builds the index that suits vectors of so many dimensions.
SELECT retail.index_product_embeddings(%(dimensions)s)

-- name: refresh_vocabulary
-- The words of the catalogue, for spelling and weighing.
SELECT retail.refresh_search_vocabulary()

-- name: analyze_embeddings
-- What the planner knows of the vectors and the words.
ANALYZE retail.product_description_embeddings, retail.product_search_words, retail.search_vocabulary
