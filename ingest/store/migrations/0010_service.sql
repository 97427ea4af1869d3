-- What the service side adds: secrets shared by its workers, billing period states, flat billing figures for bulk pulls.

-- Random secrets shared by every worker of one installation (cursor signing); made by the first that asks.
CREATE TABLE service_secret (
    name        text PRIMARY KEY,
    value       bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE billing_period
    ADD COLUMN state             text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'frozen')),
    ADD COLUMN frozen_at         timestamptz,
    ADD COLUMN frozen_by         text,
    ADD COLUMN calculated_at     timestamptz,
    ADD COLUMN calculated_run    int,
    ADD COLUMN created_by        text NOT NULL DEFAULT 'system';

-- Flat copies of what a bulk pull carries, so that it needs no JSON; reason: why the gate holds the row back.
ALTER TABLE billing_quantity
    ADD COLUMN days_in_service  real NOT NULL DEFAULT 0,
    ADD COLUMN days_suspended   real NOT NULL DEFAULT 0,
    ADD COLUMN heated_area_m2   numeric(12,2),
    ADD COLUMN degree_days      real,
    ADD COLUMN reason           text NOT NULL DEFAULT '';
CREATE INDEX billing_quantity_page ON billing_quantity (period_id, point_id, service, version DESC);

-- Who asked for what failed to prove who they are, for throttling across workers and restarts.
CREATE TABLE login_failure (
    name  text NOT NULL,
    at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX login_failure_name ON login_failure (name, at);

ALTER TABLE api_key ADD COLUMN areas int[] NOT NULL DEFAULT '{}';

-- value / per as a decimal of some places, half to even, as every other part of the service rounds.
CREATE FUNCTION round_half_even(value int8, per int8, places int) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN abs(scaled - trunc(scaled)) = 0.5 THEN round(2 * round(scaled / 2)) ELSE round(scaled) END
           / (10::numeric ^ places)
    FROM (SELECT value::numeric * 10::numeric ^ places / per AS scaled) AS s
$$;
