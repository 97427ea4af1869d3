-- First and last index of each register and UTC day: an ordinary view, the same columns as on TimescaleDB.
CREATE VIEW reading_daily AS
SELECT register_id, date_trunc('day', ts, 'UTC') AS day, (array_agg(value ORDER BY ts))[1] AS first_value,
       (array_agg(value ORDER BY ts DESC))[1] AS last_value, min(value) AS lowest, max(value) AS highest, count(*) AS readings
FROM reading WHERE version = 0 GROUP BY register_id, date_trunc('day', ts, 'UTC');
