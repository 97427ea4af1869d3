-- What is stored goes over, then the old table goes.
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
DROP TABLE reading;

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
