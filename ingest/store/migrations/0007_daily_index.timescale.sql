-- First and last index of each register and UTC day, kept up by TimescaleDB; later readings are added when asked.
CREATE MATERIALIZED VIEW reading_daily WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT register_id, time_bucket(INTERVAL '1 day', ts) AS day, first(value, ts) AS first_value, last(value, ts) AS last_value,
       min(value) AS lowest, max(value) AS highest, count(*) AS readings
FROM reading WHERE version = 0 GROUP BY register_id, time_bucket(INTERVAL '1 day', ts)
WITH NO DATA;
SELECT add_continuous_aggregate_policy('reading_daily', start_offset => INTERVAL '60 days',
                                       end_offset => INTERVAL '1 day', schedule_interval => INTERVAL '1 hour');
