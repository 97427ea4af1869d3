-- What a bulk pull carries, prepared: one row a quantity, its newest version only, kept by triggers in the transaction
-- that writes the quantity. A pull is then a walk along one key that joins nothing and computes nothing.

-- numbers: big-endian int8 in the order of api.billing.columns.NUMBERS (NULL as the smallest), then the lengths of the
-- texts as int4 (NULL as -1). texts: UTF-8, one after the other, in the order of api.billing.columns.TEXTS.
CREATE TABLE billing_line (
    period_id  int NOT NULL REFERENCES billing_period,
    point_id   int NOT NULL REFERENCES metering_point,
    service    smallint NOT NULL,
    version    int NOT NULL,
    state      text NOT NULL,
    numbers    bytea NOT NULL,
    texts      bytea NOT NULL,
    PRIMARY KEY (period_id, point_id, service)
);

CREATE FUNCTION int8_or_null_send(value int8) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN int8send(coalesce(value, (-9223372036854775808)::int8));

-- A real as millionths of its shortest decimal form: what JSON shows of it, to the digit.
CREATE FUNCTION millionths(value real) RETURNS int8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(value::text::numeric * 1000000)::int8;

CREATE FUNCTION text_length_send(value text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN int4send(coalesce(octet_length(value), -1));

CREATE VIEW billing_line_source AS
SELECT q.quantity_id, q.period_id, q.point_id, q.service, q.version, q.state,
       int8send(q.quantity_id) || int8send(q.point_id) || int8send(q.service) || int8send(q.version)
       || int8_or_null_send(q.energy_j) || int8_or_null_send(half_even(q.energy_j, 3600))
       || int8_or_null_send(half_even(q.energy_j, 1000)) || int8_or_null_send(q.volume_ml)
       || int8_or_null_send(half_even(q.volume_ml, 1000)) || int8_or_null_send(q.previous_id)
       || int8send((extract(epoch FROM q.created_at) * 1000000)::int8)
       || int8_or_null_send((q.heated_area_m2 * 100)::int8)
       || int8send(millionths(q.share_measured)) || int8send(millionths(q.share_estimated))
       || int8send(millionths(q.share_edited)) || int8send(millionths(q.days_in_service))
       || int8send(millionths(q.days_suspended)) || int8_or_null_send(millionths(q.degree_days))
       || text_length_send(p.code) || text_length_send(p.account) || text_length_send(a.code)
       || text_length_send(q.state) || text_length_send(q.quality) || text_length_send(q.reason)
       || text_length_send(q.cause) AS numbers,
       convert_to(concat(p.code, p.account, a.code, q.state, q.quality, q.reason, q.cause), 'UTF8') AS texts
FROM billing_quantity q JOIN metering_point p USING (point_id) JOIN area a USING (area_id);

CREATE FUNCTION billing_line_follows() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN
  INSERT INTO billing_line AS l
  SELECT DISTINCT ON (s.period_id, s.point_id, s.service)
         s.period_id, s.point_id, s.service, s.version, s.state, s.numbers, s.texts
  FROM fresh JOIN billing_line_source s USING (quantity_id)
  ORDER BY s.period_id, s.point_id, s.service, s.version DESC
  ON CONFLICT (period_id, point_id, service) DO UPDATE
  SET version = excluded.version, state = excluded.state, numbers = excluded.numbers, texts = excluded.texts
  WHERE l.version <= excluded.version;
  RETURN NULL;
END$$;
CREATE TRIGGER billing_line_added AFTER INSERT ON billing_quantity REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION billing_line_follows();
CREATE TRIGGER billing_line_changed AFTER UPDATE ON billing_quantity REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION billing_line_follows();

CREATE FUNCTION billing_line_goes() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN
  DELETE FROM billing_line l USING gone g
  WHERE (l.period_id, l.point_id, l.service, l.version) = (g.period_id, g.point_id, g.service, g.version);
  RETURN NULL;
END$$;
CREATE TRIGGER billing_line_gone AFTER DELETE ON billing_quantity REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION billing_line_goes();

-- A point's code, account and area are told as they are now, in every period.
CREATE FUNCTION billing_line_renamed() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN
  UPDATE billing_line l SET numbers = s.numbers, texts = s.texts FROM billing_line_source s
  WHERE s.point_id = NEW.point_id
    AND (s.period_id, s.point_id, s.service, s.version) = (l.period_id, l.point_id, l.service, l.version);
  RETURN NULL;
END$$;
CREATE TRIGGER billing_line_renamed AFTER UPDATE OF code, account, area_id ON metering_point FOR EACH ROW
    WHEN ((OLD.code, OLD.account, OLD.area_id) IS DISTINCT FROM (NEW.code, NEW.account, NEW.area_id))
    EXECUTE FUNCTION billing_line_renamed();

INSERT INTO billing_line
SELECT DISTINCT ON (period_id, point_id, service) period_id, point_id, service, version, state, numbers, texts
FROM billing_line_source ORDER BY period_id, point_id, service, version DESC;

-- The newest write of a period, for ETags.
CREATE INDEX billing_quantity_newest ON billing_quantity (period_id, transaction);
