-- Whoever keeps the registry in memory hears of changes: "meters:1,2,3" for a few, "all" for many or for gateways.

CREATE FUNCTION registry_changed_meters() RETURNS trigger LANGUAGE plpgsql AS
$$DECLARE
  numbers text;
  many int8;
BEGIN
  IF TG_OP = 'DELETE' THEN
    SELECT count(*), string_agg(meter_id::text, ',') INTO many, numbers FROM (SELECT DISTINCT meter_id FROM old_rows LIMIT 501) m;
  ELSE
    SELECT count(*), string_agg(meter_id::text, ',') INTO many, numbers FROM (SELECT DISTINCT meter_id FROM new_rows LIMIT 501) m;
  END IF;
  IF many > 0 THEN
    PERFORM pg_notify('heatbook_registry', CASE WHEN many > 500 THEN 'all' ELSE 'meters:' || numbers END);
  END IF;
  RETURN NULL;
END$$;

CREATE FUNCTION registry_changed() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN
  PERFORM pg_notify('heatbook_registry', 'all');
  RETURN NULL;
END$$;

CREATE TRIGGER meter_inserted AFTER INSERT ON meter REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed_meters();
CREATE TRIGGER meter_updated AFTER UPDATE ON meter REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed_meters();
CREATE TRIGGER meter_deleted AFTER DELETE ON meter REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed_meters();
CREATE TRIGGER register_inserted AFTER INSERT ON register REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed_meters();
CREATE TRIGGER register_updated AFTER UPDATE ON register REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed_meters();
CREATE TRIGGER register_deleted AFTER DELETE ON register REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed_meters();
CREATE TRIGGER meter_link_inserted AFTER INSERT ON meter_link REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed_meters();
CREATE TRIGGER meter_link_updated AFTER UPDATE ON meter_link REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed_meters();
CREATE TRIGGER meter_link_deleted AFTER DELETE ON meter_link REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed_meters();
CREATE TRIGGER device_key_inserted AFTER INSERT ON device_key REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed_meters();
CREATE TRIGGER device_key_updated AFTER UPDATE ON device_key REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed_meters();
CREATE TRIGGER device_key_deleted AFTER DELETE ON device_key REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed_meters();
CREATE TRIGGER gateway_changed AFTER INSERT OR UPDATE OR DELETE ON gateway
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER bus_changed AFTER INSERT OR UPDATE OR DELETE ON bus
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
