-- Views for people who ask in SQL: values in kWh, m3, kW, m3/h and °C instead of exact counts.

-- What one of a unit is in the quantity's usual unit, as a fraction; the same numbers as in protocols/units.py (a test compares).
CREATE TABLE unit_conversion (
    unit         text PRIMARY KEY,
    usual_unit   text NOT NULL,
    numerator    numeric NOT NULL,
    denominator  numeric NOT NULL
);
INSERT INTO unit_conversion VALUES
    ('J', 'kWh', 1, 3600000),
    ('kJ', 'kWh', 1, 3600),
    ('MJ', 'kWh', 5, 18),
    ('GJ', 'kWh', 2500, 9),
    ('Wh', 'kWh', 1, 1000),
    ('kWh', 'kWh', 1, 1),
    ('MWh', 'kWh', 1000, 1),
    ('GWh', 'kWh', 1000000, 1),
    ('kcal', 'kWh', 1163, 1000000),
    ('Mcal', 'kWh', 1163, 1000),
    ('Gcal', 'kWh', 1163, 1),
    ('mL', 'm3', 1, 1000000),
    ('L', 'm3', 1, 1000),
    ('m3', 'm3', 1, 1),
    ('kg', 'kg', 1, 1),
    ('t', 'kg', 1000, 1),
    ('W', 'kW', 1, 1000),
    ('kW', 'kW', 1, 1),
    ('MW', 'kW', 1000, 1),
    ('J/h', 'kW', 1, 3600000),
    ('MJ/h', 'kW', 5, 18),
    ('GJ/h', 'kW', 2500, 9),
    ('m3/h', 'm3/h', 1, 1),
    ('L/h', 'm3/h', 1, 1000),
    ('m3/min', 'm3/h', 60, 1),
    ('L/min', 'm3/h', 3, 50),
    ('m3/s', 'm3/h', 3600, 1),
    ('L/s', 'm3/h', 18, 5),
    ('kg/h', 'kg/h', 1, 1),
    ('s', 'h', 1, 3600),
    ('min', 'h', 1, 60),
    ('h', 'h', 1, 1),
    ('d', 'h', 24, 1),
    ('°C', '°C', 1, 1),
    ('K', 'K', 1, 1),
    ('bar', 'bar', 1, 1),
    ('mbar', 'bar', 1, 1000),
    ('Pa', 'bar', 1, 100000),
    ('kPa', 'bar', 1, 100),
    ('MPa', 'bar', 10, 1),
    ('V', 'V', 1, 1),
    ('mV', 'V', 1, 1000),
    ('A', 'A', 1, 1),
    ('mA', 'A', 1, 1000),
    ('Hz', 'Hz', 1, 1),
    ('m3·°C', 'm3·°C', 1, 1),
    ('%', '%', 1, 1),
    ('', '', 1, 1);

-- Readings with their register and meter; version 0 only, `reading` has the differing ones too.
CREATE VIEW reading_in_units AS
SELECT r.ts, m.serial, m.manufacturer, m.medium, g.name AS register, g.quantity,
       round(r.value * 10::numeric ^ g.scale * u.numerator / u.denominator, 9) AS value, u.usual_unit AS unit,
       r.value AS count, r.flags, r.delivery_id, r.register_id, m.meter_id
FROM reading r JOIN register g USING (register_id) JOIN meter m USING (meter_id) JOIN unit_conversion u USING (unit)
WHERE r.version = 0;

-- Present consumption: the versions that count now. resolution: 1 hour, 2 day of the area's calendar.
CREATE VIEW consumption_in_units AS
SELECT p.code AS point, c.start_at, c.start_at + make_interval(secs => c.duration_s) AS end_at, c.resolution, c.service,
       c.energy_j / 3600000.0 AS energy_kwh, c.volume_ml / 1000000.0 AS volume_m3,
       c.uncertainty_j / 3600000.0 AS uncertainty_kwh, c.flags, c.method, c.version, c.run_id, c.rule_set_id, c.point_id
FROM consumption c JOIN metering_point p USING (point_id)
WHERE c.known_to = 'infinity';

-- Which meter was where when.
CREATE VIEW installation_history AS
SELECT p.code AS point, a.code AS area, m.serial, m.manufacturer, m.medium, i.service, lower(i.period) AS installed_at,
       upper(i.period) AS removed_at, i.factor, i.initial_index, i.final_index, i.reason, i.point_id, i.meter_id
FROM installation i JOIN metering_point p USING (point_id) JOIN area a USING (area_id) JOIN meter m USING (meter_id);
