-- The stream: deliveries, their keys, readings, touched points, quarantine, discovered meters.

-- Raw bytes as they came. channel: gateway code and bus address, MQTT topic, or the caller of a push.
CREATE TABLE delivery (
    delivery_id  int8 NOT NULL,
    arrived_at   timestamptz NOT NULL,
    meter_id     int,
    gateway_id   int,
    protocol     text NOT NULL,
    channel      text NOT NULL DEFAULT '',
    payload      bytea NOT NULL,
    details      jsonb
);
CREATE SEQUENCE delivery_number AS int8 CACHE 1;

-- One key a delivery decides duplicates (blake2b-128 over source, protocol, payload and the idempotency hint).
CREATE TABLE delivery_key (
    delivery_id  int8 NOT NULL,
    arrived_at   timestamptz NOT NULL DEFAULT now(),
    digest       bytea PRIMARY KEY
);
CREATE INDEX delivery_key_age ON delivery_key USING brin (arrived_at);

-- value: exact count of the register's last displayed digit. version: 0 first, +1 for a differing value at the same instant.
-- flags: compute.quality bits. 8-byte columns first: 24 % smaller rows. The key starts with the register: a meter's page and
-- an incremental assessment read few pages, for a tenth of the write speed.
CREATE TABLE reading (
    ts           timestamptz NOT NULL,
    value        int8 NOT NULL,
    delivery_id  int8 NOT NULL,
    register_id  int NOT NULL,
    version      smallint NOT NULL DEFAULT 0,
    flags        smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (register_id, ts, version)
);

-- One row a meter and delivery: that it was heard, and what it said about itself (info-code bits and clock, for V2, V16, H7).
CREATE TABLE meter_status (
    ts           timestamptz NOT NULL,
    delivery_id  int8 NOT NULL,
    meter_id     int NOT NULL,
    info_code    int8,
    meter_time   timestamptz,
    flags        text[] NOT NULL DEFAULT '{}'
);

-- Journal of meters whose readings changed since the last assessment, with the earliest changed instant. Append-only for
-- writers, so that an assessment that takes rows (DELETE ... RETURNING, in the transaction of its results) never makes
-- ingest wait, and takes nothing that it has not seen.
CREATE TABLE touched (
    from_ts     timestamptz NOT NULL,
    touched_at  timestamptz NOT NULL DEFAULT now(),
    meter_id    int NOT NULL
);

CREATE TABLE quarantine (
    quarantine_id  int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id    int8 NOT NULL,
    arrived_at     timestamptz NOT NULL,
    protocol       text NOT NULL,
    channel        text NOT NULL DEFAULT '',
    code           text NOT NULL,
    message        text NOT NULL,
    byte_offset    int,
    field          text,
    manufacturer   text NOT NULL DEFAULT '',
    serial         text NOT NULL DEFAULT '',
    medium         text NOT NULL DEFAULT '',
    state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'dismissed')),
    settled_at     timestamptz,
    settled_by     text,
    UNIQUE (delivery_id)
);
CREATE INDEX quarantine_open ON quarantine (code, arrived_at) WHERE state = 'open';
CREATE INDEX quarantine_serial ON quarantine (serial) WHERE state = 'open';

-- Meters heard but not in the registry: a technician adopts them (their quarantined deliveries are replayed) or dismisses them.
CREATE TABLE discovered_meter (
    discovered_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    serial         text NOT NULL,
    manufacturer   text NOT NULL DEFAULT '',
    medium         text NOT NULL DEFAULT '',
    version        int,
    protocol       text NOT NULL,
    profile        text NOT NULL DEFAULT '',
    channel        text NOT NULL DEFAULT '',
    gateway_id     int REFERENCES gateway,
    first_seen_at  timestamptz NOT NULL,
    last_seen_at   timestamptz NOT NULL,
    deliveries     int8 NOT NULL DEFAULT 1,
    last_values    jsonb NOT NULL DEFAULT '[]',
    state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'adopted', 'dismissed')),
    meter_id       int REFERENCES meter,
    UNIQUE (manufacturer, serial, medium)
);

-- Hand-entered readings and edits: one row a human value, two persons each (author, approver).
CREATE TABLE manual_reading (
    manual_id     int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter_id      int NOT NULL REFERENCES meter,
    register_id   int NOT NULL REFERENCES register,
    ts            timestamptz NOT NULL,
    value         int8 NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('reading', 'edit', 'estimate')),
    reason        text NOT NULL DEFAULT '',
    warnings      jsonb NOT NULL DEFAULT '[]',
    photo_reference text,
    state         text NOT NULL DEFAULT 'entered' CHECK (state IN ('entered', 'approved', 'second_approval', 'rejected')),
    entered_by    text NOT NULL,
    entered_at    timestamptz NOT NULL DEFAULT now(),
    approved_by   text,
    approved_at   timestamptz,
    confirmed_by  text,
    confirmed_at  timestamptz,
    delivery_id   int8,
    CHECK (approved_by IS NULL OR approved_by <> entered_by),
    CHECK (confirmed_by IS NULL OR (confirmed_by <> entered_by AND confirmed_by <> approved_by))
);
CREATE INDEX manual_reading_meter ON manual_reading (meter_id, ts);
