-- TimescaleDB: the stream and the consumption become hypertables, compressed column by column once they have settled.
-- A chunk holds what fits well into memory; segments follow the way the tables are asked: by register, by meter, by point.
-- A month of readings in a chunk: 720 hourly values of a register fill a compressed batch (at a week the batches' own
-- headers cost as much as the values).
SELECT create_hypertable('reading', by_range('ts', INTERVAL '30 days'), create_default_indexes => false);
ALTER TABLE reading SET (timescaledb.compress, timescaledb.compress_segmentby = 'register_id',
                         timescaledb.compress_orderby = 'ts, version');
SELECT add_compression_policy('reading', INTERVAL '7 days');

SELECT create_hypertable('delivery', by_range('arrived_at', INTERVAL '7 days'), create_default_indexes => false);
CREATE INDEX delivery_id_lookup ON delivery (delivery_id);
ALTER TABLE delivery SET (timescaledb.compress, timescaledb.compress_segmentby = '',
                          timescaledb.compress_orderby = 'delivery_id, arrived_at');
SELECT add_compression_policy('delivery', INTERVAL '14 days');
SELECT add_retention_policy('delivery', INTERVAL '3 years');

SELECT create_hypertable('meter_status', by_range('ts', INTERVAL '7 days'), create_default_indexes => false);
CREATE INDEX meter_status_meter ON meter_status (meter_id, ts);
ALTER TABLE meter_status SET (timescaledb.compress, timescaledb.compress_segmentby = 'meter_id',
                              timescaledb.compress_orderby = 'ts, delivery_id');
SELECT add_compression_policy('meter_status', INTERVAL '14 days');

SELECT create_hypertable('consumption', by_range('start_at', INTERVAL '30 days'), create_default_indexes => false);
ALTER TABLE consumption SET (timescaledb.compress, timescaledb.compress_segmentby = 'point_id, service, resolution',
                             timescaledb.compress_orderby = 'start_at, version');
-- Versions change rows of the last weeks often: they are compressed when a billing period is over.
SELECT add_compression_policy('consumption', INTERVAL '90 days');
