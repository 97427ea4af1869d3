-- One row is what a meter showed at one instant, up to eight registers of a bank, as one delivery said it; a register that
-- it did not say is NULL. Six rows and six index entries become one: writing costs a quarter, a reading takes a quarter of
-- the bytes, and the instant and the delivery are stored once.
-- v0..v7: exact counts of the registers in slots 8 * bank .. 8 * bank + 7. part: 0 first, +1 for whatever else comes for the
-- same instant (other registers, other values). version: of every reading in the row, 0 first, +1 for a value that differs.
-- flags: compute.quality bits of every reading in the row; readings with other flags are a row of their own.
CREATE TABLE meter_reading (
    ts           timestamptz NOT NULL,
    delivery_id  int8 NOT NULL,
    meter_id     int NOT NULL,
    bank         smallint NOT NULL,
    part         smallint NOT NULL,
    version      smallint NOT NULL,
    flags        smallint NOT NULL,
    v0           int8,
    v1           int8,
    v2           int8,
    v3           int8,
    v4           int8,
    v5           int8,
    v6           int8,
    v7           int8,
    PRIMARY KEY (meter_id, bank, ts, part)
);
-- A month in a chunk: 720 hourly rows of a meter fill a compressed batch.
SELECT create_hypertable('meter_reading', by_range('ts', INTERVAL '30 days'), create_default_indexes => false);

DO $$ BEGIN
    IF EXISTS (SELECT FROM reading WHERE register_id NOT IN (SELECT register_id FROM register)) THEN
        RAISE 'there are readings of registers that do not exist; nothing was changed';
    END IF;
END $$;
INSERT INTO meter_reading
SELECT r.ts, r.delivery_id, g.meter_id, g.slot >> 3,
       row_number() OVER (PARTITION BY g.meter_id, g.slot >> 3, r.ts ORDER BY r.version, r.flags, r.delivery_id) - 1,
       r.version, r.flags,
       max(r.value) FILTER (WHERE g.slot & 7 = 0),
       max(r.value) FILTER (WHERE g.slot & 7 = 1),
       max(r.value) FILTER (WHERE g.slot & 7 = 2),
       max(r.value) FILTER (WHERE g.slot & 7 = 3),
       max(r.value) FILTER (WHERE g.slot & 7 = 4),
       max(r.value) FILTER (WHERE g.slot & 7 = 5),
       max(r.value) FILTER (WHERE g.slot & 7 = 6),
       max(r.value) FILTER (WHERE g.slot & 7 = 7)
FROM reading r JOIN register g USING (register_id)
GROUP BY r.ts, r.delivery_id, g.meter_id, g.slot >> 3, r.version, r.flags
ORDER BY g.meter_id, g.slot >> 3, r.ts;

DROP VIEW reading_in_units;
DROP MATERIALIZED VIEW reading_daily;
DROP TABLE reading;
ALTER TABLE meter_reading SET (timescaledb.compress, timescaledb.compress_segmentby = 'meter_id, bank',
                               timescaledb.compress_orderby = 'ts, part');
SELECT add_compression_policy('meter_reading', INTERVAL '7 days');

-- Readings of one register, inlined by the planner: ordered by time it walks the key.
CREATE FUNCTION readings_of(of_meter int, at_slot smallint)
RETURNS TABLE (ts timestamptz, value int8, delivery_id int8, version smallint, flags smallint) LANGUAGE sql STABLE
PARALLEL SAFE AS $$
    SELECT r.ts, of_slot(at_slot, r.v0, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7),
           r.delivery_id, r.version, r.flags
    FROM meter_reading r WHERE r.meter_id = of_meter AND r.bank = at_slot >> 3
      AND of_slot(at_slot, r.v0, r.v1, r.v2, r.v3, r.v4, r.v5, r.v6, r.v7) IS NOT NULL
$$;

-- Instant of the newest reading of a meter, whichever register it is of.
CREATE FUNCTION newest_reading_of(of_meter int) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT max(newest.ts) FROM (SELECT DISTINCT slot >> 3 AS bank FROM register WHERE meter_id = of_meter) b
    CROSS JOIN LATERAL (
        SELECT ts FROM meter_reading r WHERE r.meter_id = of_meter AND r.bank = b.bank ORDER BY ts DESC LIMIT 1
    ) newest
$$;

-- Whether a meter has a reading after one instant and up to another.
CREATE FUNCTION was_read(of_meter int, after timestamptz, until timestamptz) RETURNS boolean LANGUAGE sql STABLE
PARALLEL SAFE AS $$
    SELECT EXISTS (
        SELECT FROM (SELECT DISTINCT slot >> 3 AS bank FROM register WHERE meter_id = of_meter) b CROSS JOIN LATERAL (
            SELECT FROM meter_reading r WHERE r.meter_id = of_meter AND r.bank = b.bank AND r.ts > after AND r.ts <= until
            LIMIT 1
        ) one
    )
$$;

-- One row a reading, for people and for questions that name no register.
CREATE VIEW reading AS
SELECT r.ts, r.value, r.delivery_id, g.register_id, r.version, r.flags
FROM register g CROSS JOIN LATERAL readings_of(g.meter_id, g.slot) r;

CREATE VIEW reading_in_units AS
SELECT r.ts, m.serial, m.manufacturer, m.medium, g.name AS register, g.quantity,
       round(r.value * 10::numeric ^ g.scale * u.numerator / u.denominator, 9) AS value, u.usual_unit AS unit,
       r.value AS count, r.flags, r.delivery_id, g.register_id, m.meter_id
FROM register g CROSS JOIN LATERAL readings_of(g.meter_id, g.slot) r JOIN meter m USING (meter_id)
JOIN unit_conversion u USING (unit)
WHERE r.version = 0;

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
