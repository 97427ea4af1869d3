-- What a bill is made of besides consumption: areas, states, installations. A change after the freeze makes an adjustment,
-- so each point remembers the transaction that last touched its facts.
CREATE TABLE point_fact_change (
    point_id     int PRIMARY KEY REFERENCES metering_point,
    transaction  xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX point_fact_change_newest ON point_fact_change (transaction);

-- Up to which transaction a period's quantities know the facts; null: none is known.
ALTER TABLE billing_period ADD COLUMN calculated_facts xid8;

CREATE FUNCTION point_facts_changed() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN
  -- One order for everyone: two statements that touch the same points can't wait for each other.
  INSERT INTO point_fact_change (point_id) SELECT DISTINCT point_id FROM touched_rows ORDER BY point_id
  ON CONFLICT (point_id) DO UPDATE SET transaction = excluded.transaction;
  RETURN NULL;
END$$;

CREATE TRIGGER point_state_added AFTER INSERT ON point_state REFERENCING NEW TABLE AS touched_rows
    FOR EACH STATEMENT EXECUTE FUNCTION point_facts_changed();
CREATE TRIGGER point_state_changed AFTER UPDATE ON point_state REFERENCING NEW TABLE AS touched_rows
    FOR EACH STATEMENT EXECUTE FUNCTION point_facts_changed();
CREATE TRIGGER point_state_gone AFTER DELETE ON point_state REFERENCING OLD TABLE AS touched_rows
    FOR EACH STATEMENT EXECUTE FUNCTION point_facts_changed();
CREATE TRIGGER installation_added AFTER INSERT ON installation REFERENCING NEW TABLE AS touched_rows
    FOR EACH STATEMENT EXECUTE FUNCTION point_facts_changed();
CREATE TRIGGER installation_changed AFTER UPDATE ON installation REFERENCING NEW TABLE AS touched_rows
    FOR EACH STATEMENT EXECUTE FUNCTION point_facts_changed();
CREATE TRIGGER installation_gone AFTER DELETE ON installation REFERENCING OLD TABLE AS touched_rows
    FOR EACH STATEMENT EXECUTE FUNCTION point_facts_changed();
CREATE FUNCTION point_area_changed() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN
  INSERT INTO point_fact_change (point_id) VALUES (NEW.point_id)
  ON CONFLICT (point_id) DO UPDATE SET transaction = excluded.transaction;
  RETURN NULL;
END$$;
CREATE TRIGGER heated_area_changed AFTER UPDATE OF heated_area_m2 ON metering_point FOR EACH ROW
    WHEN (OLD.heated_area_m2 IS DISTINCT FROM NEW.heated_area_m2) EXECUTE FUNCTION point_area_changed();
