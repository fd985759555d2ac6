-- The statements behind `zava embed`, by name. Values are named parameters.

-- name: embedding_models
-- What has made the vectors that there are.
SELECT DISTINCT embedding_model AS model FROM retail.product_description_embeddings

-- name: pending_products
-- The next products whose vector is missing, of another text, or of another model.
SELECT p.product_id, t.embedded_text, t.text_hash
FROM retail.products AS p
LEFT JOIN retail.categories AS c ON c.category_id = p.category_id
LEFT JOIN retail.product_types AS k ON k.type_id = p.type_id
CROSS JOIN LATERAL (
    SELECT text AS embedded_text, encode(sha256(convert_to(text, 'UTF8')), 'hex') AS text_hash
    FROM (SELECT concat_ws('. ', p.name, k.name, c.name, p.description) AS text) AS made
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
               OR e.text_hash <> encode(sha256(convert_to(concat_ws('. ', p.name, k.name, c.name, p.description), 'UTF8')), 'hex')
       ) AS pending,
       count(*) AS products
FROM retail.products AS p
LEFT JOIN retail.categories AS c ON c.category_id = p.category_id
LEFT JOIN retail.product_types AS k ON k.type_id = p.type_id
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
