-- A register has a fixed slot among its meter's, so that what a meter showed at one instant is one row: slot s is column
-- s % 8 of bank s / 8.
ALTER TABLE register ADD COLUMN slot smallint;
UPDATE register r SET slot = s.slot FROM (
    SELECT register_id, row_number() OVER (PARTITION BY meter_id ORDER BY register_id) - 1 AS slot FROM register
) s WHERE s.register_id = r.register_id;
ALTER TABLE register ALTER COLUMN slot SET NOT NULL;
ALTER TABLE register ADD UNIQUE (meter_id, slot);

-- The meter's row is locked first: two writers that bring up registers of one meter take slots one after the other.
CREATE FUNCTION next_register_slot() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM meter WHERE meter_id = NEW.meter_id FOR NO KEY UPDATE;
    SELECT coalesce(max(slot) + 1, 0) INTO NEW.slot FROM register WHERE meter_id = NEW.meter_id;
    RETURN NEW;
END $$;
CREATE TRIGGER register_slot BEFORE INSERT ON register FOR EACH ROW WHEN (NEW.slot IS NULL)
EXECUTE FUNCTION next_register_slot();

-- The column of a slot, by its place in the bank.
CREATE FUNCTION of_slot(slot smallint, v0 int8, v1 int8, v2 int8, v3 int8, v4 int8, v5 int8, v6 int8, v7 int8)
RETURNS int8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE slot & 7 WHEN 0 THEN v0 WHEN 1 THEN v1 WHEN 2 THEN v2 WHEN 3 THEN v3
                         WHEN 4 THEN v4 WHEN 5 THEN v5 WHEN 6 THEN v6 ELSE v7 END
$$;
