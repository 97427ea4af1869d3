-- Plain PostgreSQL: the stream's tables stay ordinary ones. BRIN finds a span of time, for overviews and for retention, at
-- almost no cost to writers; the status journal is also asked by meter.
CREATE UNIQUE INDEX delivery_id_lookup ON delivery (delivery_id);
CREATE INDEX delivery_age ON delivery USING brin (arrived_at);
CREATE INDEX reading_time ON reading USING brin (ts) WITH (pages_per_range = 32);
CREATE INDEX meter_status_meter ON meter_status (meter_id, ts);
CREATE INDEX meter_status_time ON meter_status USING brin (ts) WITH (pages_per_range = 32);
