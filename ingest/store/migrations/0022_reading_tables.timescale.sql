-- A month in a chunk: 720 hourly rows of a meter fill a compressed batch.
SELECT create_hypertable('meter_reading', by_range('ts', INTERVAL '30 days'), create_default_indexes => false);
ALTER TABLE meter_reading SET (timescaledb.compress, timescaledb.compress_segmentby = 'meter_id, bank',
                               timescaledb.compress_orderby = 'ts, part');
SELECT add_compression_policy('meter_reading', INTERVAL '7 days');
DROP VIEW reading_in_units;
DROP MATERIALIZED VIEW reading_daily;
