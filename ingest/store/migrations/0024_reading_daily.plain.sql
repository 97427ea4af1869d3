-- First and last index of each register and UTC day: an ordinary view, the same columns as on TimescaleDB.
CREATE VIEW reading_daily AS
SELECT g.register_id, date_trunc('day', r.ts, 'UTC') AS day, (array_agg(r.value ORDER BY r.ts))[1] AS first_value,
       (array_agg(r.value ORDER BY r.ts DESC))[1] AS last_value, min(r.value) AS lowest, max(r.value) AS highest,
       count(*) AS readings
FROM register g CROSS JOIN LATERAL readings_of(g.meter_id, g.slot) r
WHERE r.version = 0 GROUP BY g.register_id, date_trunc('day', r.ts, 'UTC');
