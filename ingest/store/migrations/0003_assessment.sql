-- What assessment makes: runs, consumption in versions, findings, incidents, alerts and their history.
-- Energy is kept in joules and volume in millilitres as int8: every energy unit of the field is a whole number of
-- joules, so meters with different displays add up exactly; views show kWh and m3.

CREATE TABLE assessment_run (
    run_id        int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    state         text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
    points        int NOT NULL DEFAULT 0,
    intervals     int8 NOT NULL DEFAULT 0,
    changed       int8 NOT NULL DEFAULT 0,
    engine        text NOT NULL DEFAULT '',
    message       text NOT NULL DEFAULT ''
);

-- One row an interval and version; known_to = 'infinity' marks the current one, so "as known on D" is
-- known_from <= D < known_to. resolution: 1 hour, 2 day (local calendar). flags: compute.quality bits. method: compute.estimation code.
CREATE TABLE consumption (
    start_at       timestamptz NOT NULL,
    known_from     timestamptz NOT NULL,
    known_to       timestamptz NOT NULL DEFAULT 'infinity',
    energy_j       int8,
    volume_ml      int8,
    flags          int8 NOT NULL DEFAULT 0,
    point_id       int NOT NULL,
    run_id         int NOT NULL,
    rule_set_id    int NOT NULL,
    uncertainty_j  int8,
    duration_s     int NOT NULL,
    version        smallint NOT NULL DEFAULT 1,
    service        smallint NOT NULL DEFAULT 1,
    resolution     smallint NOT NULL,
    method         smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (point_id, service, resolution, start_at, version)
);

CREATE TABLE incident (
    incident_id   int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL,
    scope         text NOT NULL,
    from_ts       timestamptz NOT NULL,
    to_ts         timestamptz,
    explanation   text NOT NULL DEFAULT '',
    details       jsonb NOT NULL DEFAULT '{}',
    state         text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (kind, scope, from_ts)
);

-- One open alert per point, service and kind; the occurrences stand under it.
CREATE TABLE alert (
    alert_id             int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    point_id             int NOT NULL REFERENCES metering_point,
    meter_id             int REFERENCES meter,
    service              smallint NOT NULL DEFAULT 1,
    kind                 text NOT NULL,
    severity             text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    from_ts              timestamptz NOT NULL,
    to_ts                timestamptz,
    state                text NOT NULL DEFAULT 'open'
                         CHECK (state IN ('open', 'acknowledged', 'field_check', 'snoozed', 'suppressed', 'resolved')),
    explanation          jsonb NOT NULL DEFAULT '{}',
    energy_at_stake_kwh  double precision NOT NULL DEFAULT 0,
    confidence           real NOT NULL DEFAULT 0.5,
    rank                 double precision GENERATED ALWAYS AS (energy_at_stake_kwh * confidence) STORED,
    incident_id          int8 REFERENCES incident,
    rule                 text NOT NULL DEFAULT '',
    rule_set_id          int,
    assignee             text,
    cause                text,
    due_at               timestamptz,
    snoozed_until        timestamptz,
    opened_at            timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    closed_at            timestamptz,
    revision             int NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX alert_one_open ON alert (point_id, service, kind) WHERE state <> 'resolved';
CREATE INDEX alert_queue ON alert (state, rank DESC, alert_id);
CREATE INDEX alert_point ON alert (point_id);
CREATE INDEX alert_incident ON alert (incident_id) WHERE incident_id IS NOT NULL;

CREATE TABLE finding (
    finding_id   int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id     int8 REFERENCES alert,
    run_id       int NOT NULL,
    point_id     int NOT NULL,
    meter_id     int,
    service      smallint NOT NULL DEFAULT 1,
    kind         text NOT NULL,
    rule         text NOT NULL,
    severity     text NOT NULL,
    from_ts      timestamptz NOT NULL,
    to_ts        timestamptz NOT NULL,
    observed     double precision,
    expected_low  double precision,
    expected_high double precision,
    energy_at_stake_kwh double precision NOT NULL DEFAULT 0,
    confidence   real NOT NULL DEFAULT 0.5,
    details      jsonb NOT NULL DEFAULT '{}',
    UNIQUE (point_id, service, kind, rule, from_ts)
);
CREATE INDEX finding_alert ON finding (alert_id);

-- What people did: append-only. action: acknowledge, assign, comment, snooze, suppress, resolve, reopen, field_check.
CREATE TABLE alert_event (
    event_id   int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id   int8 NOT NULL REFERENCES alert,
    action     text NOT NULL,
    actor      text NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    from_state text NOT NULL,
    to_state   text NOT NULL,
    cause      text,
    comment    text NOT NULL DEFAULT '',
    details    jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX alert_event_alert ON alert_event (alert_id);

CREATE TABLE suppression (
    suppression_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    point_id        int NOT NULL REFERENCES metering_point,
    kind            text NOT NULL,
    reason          text NOT NULL,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL
);
CREATE INDEX suppression_point ON suppression (point_id);
