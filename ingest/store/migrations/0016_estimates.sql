-- What an estimate without an index behind it was made of: one row a span and method of the ladder.
CREATE TABLE estimate_input (
    point_id         int NOT NULL REFERENCES metering_point,
    service          smallint NOT NULL,
    from_ts          timestamptz NOT NULL,
    to_ts            timestamptz NOT NULL,
    method           smallint NOT NULL,
    energy_kwh       double precision NOT NULL,
    uncertainty_kwh  double precision NOT NULL,
    inputs           jsonb NOT NULL,
    run_id           int NOT NULL,
    PRIMARY KEY (point_id, service, from_ts, method)
);
