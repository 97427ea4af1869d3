-- How long things are kept; NULL is for ever. Changed by an operator, applied by `ingest.store.retention`.
CREATE TABLE retention (
    what  text PRIMARY KEY CHECK (what IN ('delivery', 'delivery_key', 'meter_status', 'reading')),
    keep  interval CHECK (keep > interval '7 days')
);
-- Keys outlive the bytes: what comes again after years is still the same delivery.
INSERT INTO retention VALUES ('delivery', '3 years'), ('delivery_key', '5 years'), ('meter_status', '5 years'), ('reading', NULL);
