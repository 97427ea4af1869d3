-- Plain PostgreSQL: an ordinary table; the views of the old one go.
CREATE INDEX meter_reading_time ON meter_reading USING brin (ts) WITH (pages_per_range = 32);
DROP VIEW reading_daily, reading_in_units;
