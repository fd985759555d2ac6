-- What the made-up chain lacks and questions are about: a retail calendar of weeks, and a store that fell silent.

UPDATE retail.chain SET fiscal_calendar = '4-5-4', fiscal_year_start = 2;

DELETE FROM retail.orders AS o
USING retail.stores AS s
WHERE s.store_id = o.store_id AND s.name = 'Zava Retail Kirkland' AND o.business_day > '2026-06-11';
