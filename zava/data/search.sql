-- The statements behind product search and `zava embed`, by name.

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
WITH asked AS MATERIALIZED (
    -- The question's stems. One that the catalogue lacks is as rare as any.
    SELECT q.lexeme AS stem, quoted.stem AS quoted, quoted.stem::tsquery AS anywhere,
           (quoted.stem || ':A')::tsquery AS in_name, (quoted.stem || ':B')::tsquery AS in_type,
           (quoted.stem || ':D')::tsquery AS in_description,
           coalesce(v.products, 0) AS products,
           coalesce(v.rarity, (SELECT max(a.rarity) FROM retail.search_vocabulary AS a), 1)::float8 AS rarity
    FROM unnest(to_tsvector('english', %(words)s)) AS q
    CROSS JOIN LATERAL (
        -- As tsquery's own syntax quotes a lexeme, which is not as a literal is.
        SELECT '''' || replace(replace(q.lexeme, '\', '\\'), '''', '''''') || '''' AS stem
    ) AS quoted
    LEFT JOIN LATERAL (
        SELECT s.products, s.rarity FROM retail.search_vocabulary AS s WHERE s.stem = q.lexeme LIMIT 1
    ) AS v ON true
    ORDER BY rarity DESC, stem
    LIMIT 32
), whole AS MATERIALIZED (
    -- The weight of the question, and how much of it is in words that no product has.
    SELECT sum(a.rarity) AS rarity, coalesce(sum(a.rarity) FILTER (WHERE a.products = 0) / sum(a.rarity), 0) AS foreign_share
    FROM asked AS a
), selective AS MATERIALIZED (
    -- Rare stems find products, as long as these are few enough to be ranked. The
    -- commoner ones only rank.
    SELECT string_agg(s.quoted, ' | ')::tsquery AS query
    FROM (
        SELECT a.quoted, sum(a.products) OVER nth AS found, row_number() OVER nth AS place
        FROM asked AS a
        WINDOW nth AS (ORDER BY a.products, a.stem)
    ) AS s
    WHERE s.found <= %(most_words)s OR s.place = 1
), near AS MATERIALIZED (
    SELECT n.product_id, n.distance
    FROM retail.nearest_products(
        %(vector)s::public.vector, %(depth)s, %(category_id)s::uuid,
        %(min_price)s::numeric, %(max_price)s::numeric, %(in_stock_only)s) AS n
), found AS MATERIALIZED (
    SELECT n.product_id FROM near AS n
    UNION
    (SELECT w.product_id
     FROM retail.product_search_words AS w
     WHERE w.words @@ (SELECT s.query FROM selective AS s)
         AND (NOT %(is_filtered)s OR EXISTS (
             SELECT FROM retail.products AS p
             WHERE p.product_id = w.product_id
                 AND (%(category_id)s::uuid IS NULL OR p.category_id = %(category_id)s::uuid)
                 AND (%(min_price)s::numeric IS NULL OR p.base_price >= %(min_price)s::numeric)
                 AND (%(max_price)s::numeric IS NULL OR p.base_price <= %(max_price)s::numeric)
                 AND (NOT %(in_stock_only)s OR EXISTS (
                     SELECT FROM retail.inventory AS i WHERE i.product_id = p.product_id AND i.stock_level > 0))))
     LIMIT %(most_words)s)
), shares AS MATERIALIZED (
    -- How much of the question a product's words cover, 0 to 1.
    SELECT f.product_id, covered.rarity / nullif((SELECT whole.rarity FROM whole), 0) AS share
    FROM found AS f
    JOIN retail.product_search_words AS w ON w.product_id = f.product_id
    CROSS JOIN LATERAL (
        SELECT sum(a.rarity * CASE WHEN w.words @@ a.in_name THEN %(weight_name)s
                                   WHEN w.words @@ a.in_type THEN %(weight_type)s
                                   WHEN w.words @@ a.in_description THEN %(weight_description)s
                                   ELSE %(weight_category)s END) AS rarity
        FROM asked AS a
        WHERE w.words @@ a.anywhere
    ) AS covered
), ranked AS (
    SELECT f.product_id, n.distance, coalesce(s.share, 0) AS share,
           CASE WHEN n.distance IS NOT NULL THEN row_number() OVER (ORDER BY n.distance, f.product_id) END AS near_rank,
           CASE WHEN s.share > 0 THEN row_number() OVER (ORDER BY s.share DESC NULLS LAST, n.distance, f.product_id) END AS word_rank
    FROM found AS f
    LEFT JOIN near AS n ON n.product_id = f.product_id
    LEFT JOIN shares AS s ON s.product_id = f.product_id
), fused AS MATERIALIZED (
    SELECT r.product_id, r.share, r.near_rank, r.word_rank,
           coalesce(1.0 / (%(smoothing)s + r.near_rank), 0) + coalesce(1.0 / (%(smoothing)s + r.word_rank), 0) AS score
    FROM ranked AS r
    WHERE r.near_rank IS NOT NULL OR r.word_rank <= %(depth)s
), judged AS (
    SELECT f.*, p.sku, p.name, p.description, p.base_price, p.category_id, p.type_id, e.embedding_model,
           CASE
               WHEN lower(p.sku) = lower(btrim(%(words)s)) THEN 1
               WHEN closeness.cosine IS NULL THEN f.share
               ELSE greatest(closeness.cosine + %(share_bonus)s * f.share * (1 - closeness.cosine)
                             - %(foreign_malus)s * (SELECT whole.foreign_share FROM whole), 0)
           END AS similarity
    FROM fused AS f
    JOIN retail.products AS p ON p.product_id = f.product_id
    LEFT JOIN retail.product_description_embeddings AS e ON e.product_id = f.product_id
    CROSS JOIN LATERAL (
        SELECT 1 - (e.description_embedding OPERATOR(public.<=>) %(vector)s::public.vector) AS cosine
        OFFSET 0
    ) AS closeness
), best AS MATERIALIZED (
    SELECT j.*, row_number() OVER (ORDER BY j.similarity = 1 DESC, j.score DESC, j.similarity DESC, j.sku) AS place
    FROM judged AS j
    WHERE j.similarity >= %(threshold)s
    ORDER BY place
    LIMIT %(max_rows)s
)
SELECT b.sku, b.name, b.description, c.name AS category, t.name AS type, b.base_price AS price,
       round(least(b.similarity, 1)::numeric, 4) AS similarity,
       CASE WHEN b.near_rank IS NULL THEN 'words' WHEN b.word_rank IS NULL THEN 'meaning' ELSE 'both' END AS found_by,
       coalesce(stock.units, 0) AS stock, coalesce(stock.by_store, '{}') AS stock_by_store, b.embedding_model
FROM best AS b
JOIN retail.categories AS c ON c.category_id = b.category_id
JOIN retail.product_types AS t ON t.type_id = b.type_id
LEFT JOIN LATERAL (
    SELECT sum(i.stock_level) AS units, jsonb_object_agg(s.name, i.stock_level) AS by_store
    FROM retail.inventory AS i
    JOIN retail.stores AS s ON s.store_id = i.store_id
    WHERE i.product_id = b.product_id
) AS stock ON true
ORDER BY b.place

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
