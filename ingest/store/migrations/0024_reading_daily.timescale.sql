-- First and last index of each register and UTC day, kept up by TimescaleDB bank by bank; later readings are added when
-- asked.
CREATE MATERIALIZED VIEW meter_reading_daily WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT meter_id, bank, time_bucket(INTERVAL '1 day', ts) AS day,
       first(v0, ts) FILTER (WHERE v0 IS NOT NULL) AS first0, last(v0, ts) FILTER (WHERE v0 IS NOT NULL) AS last0,
       min(v0) AS lowest0, max(v0) AS highest0, count(v0) AS readings0,
       first(v1, ts) FILTER (WHERE v1 IS NOT NULL) AS first1, last(v1, ts) FILTER (WHERE v1 IS NOT NULL) AS last1,
       min(v1) AS lowest1, max(v1) AS highest1, count(v1) AS readings1,
       first(v2, ts) FILTER (WHERE v2 IS NOT NULL) AS first2, last(v2, ts) FILTER (WHERE v2 IS NOT NULL) AS last2,
       min(v2) AS lowest2, max(v2) AS highest2, count(v2) AS readings2,
       first(v3, ts) FILTER (WHERE v3 IS NOT NULL) AS first3, last(v3, ts) FILTER (WHERE v3 IS NOT NULL) AS last3,
       min(v3) AS lowest3, max(v3) AS highest3, count(v3) AS readings3,
       first(v4, ts) FILTER (WHERE v4 IS NOT NULL) AS first4, last(v4, ts) FILTER (WHERE v4 IS NOT NULL) AS last4,
       min(v4) AS lowest4, max(v4) AS highest4, count(v4) AS readings4,
       first(v5, ts) FILTER (WHERE v5 IS NOT NULL) AS first5, last(v5, ts) FILTER (WHERE v5 IS NOT NULL) AS last5,
       min(v5) AS lowest5, max(v5) AS highest5, count(v5) AS readings5,
       first(v6, ts) FILTER (WHERE v6 IS NOT NULL) AS first6, last(v6, ts) FILTER (WHERE v6 IS NOT NULL) AS last6,
       min(v6) AS lowest6, max(v6) AS highest6, count(v6) AS readings6,
       first(v7, ts) FILTER (WHERE v7 IS NOT NULL) AS first7, last(v7, ts) FILTER (WHERE v7 IS NOT NULL) AS last7,
       min(v7) AS lowest7, max(v7) AS highest7, count(v7) AS readings7
FROM meter_reading WHERE version = 0 GROUP BY meter_id, bank, time_bucket(INTERVAL '1 day', ts)
WITH NO DATA;
SELECT add_continuous_aggregate_policy('meter_reading_daily', start_offset => INTERVAL '60 days',
                                       end_offset => INTERVAL '1 day', schedule_interval => INTERVAL '1 hour');
CREATE VIEW reading_daily AS
SELECT g.register_id, d.day,
       of_slot(g.slot, d.first0, d.first1, d.first2, d.first3, d.first4, d.first5, d.first6, d.first7) AS first_value,
       of_slot(g.slot, d.last0, d.last1, d.last2, d.last3, d.last4, d.last5, d.last6, d.last7) AS last_value,
       of_slot(g.slot, d.lowest0, d.lowest1, d.lowest2, d.lowest3, d.lowest4, d.lowest5, d.lowest6, d.lowest7) AS lowest,
       of_slot(g.slot, d.highest0, d.highest1, d.highest2, d.highest3, d.highest4, d.highest5, d.highest6,
               d.highest7) AS highest,
       of_slot(g.slot, d.readings0, d.readings1, d.readings2, d.readings3, d.readings4, d.readings5, d.readings6,
               d.readings7) AS readings
FROM register g JOIN meter_reading_daily d ON d.meter_id = g.meter_id AND d.bank = g.slot >> 3
WHERE of_slot(g.slot, d.readings0, d.readings1, d.readings2, d.readings3, d.readings4, d.readings5, d.readings6,
              d.readings7) > 0;
