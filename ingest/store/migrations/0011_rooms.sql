-- What the rooms of reviewer, technician and lead keep: views, audit samples, checklists, campaigns, entry errors,
-- webhooks, notification rules.

CREATE OR REPLACE FUNCTION round_half_even(value int8, per int8, places int) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT round(CASE WHEN abs(scaled - trunc(scaled)) = 0.5 THEN round(2 * round(scaled / 2)) ELSE round(scaled) END
                 / (10::numeric ^ places), places)
    FROM (SELECT value::numeric * 10::numeric ^ places / per AS scaled) AS s
$$;

CREATE TABLE saved_view (
    view_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner       text NOT NULL,
    room        text NOT NULL,
    name        text NOT NULL,
    settings    jsonb NOT NULL,
    shared      boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (owner, room, name)
);

-- Weekly random audit of an area's points; the seed makes the draw repeatable, results are kept.
CREATE TABLE audit_sample (
    sample_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    area_id    int NOT NULL REFERENCES area,
    week       date NOT NULL,
    seed       text NOT NULL,
    share      real NOT NULL,
    population int NOT NULL,
    drawn_at   timestamptz NOT NULL DEFAULT now(),
    drawn_by   text NOT NULL,
    UNIQUE (area_id, week)
);
CREATE TABLE audit_sample_item (
    sample_id   int NOT NULL REFERENCES audit_sample,
    point_id    int NOT NULL REFERENCES metering_point,
    facts       jsonb NOT NULL DEFAULT '{}',
    verdict     text CHECK (verdict IN ('correct', 'wrong', 'unreachable')),
    fault       text NOT NULL DEFAULT '',
    note        text NOT NULL DEFAULT '',
    checked_by  text,
    checked_at  timestamptz,
    PRIMARY KEY (sample_id, point_id)
);

-- The commissioning checklist of a meter; what the service can see itself is computed, what a person saw stands here.
CREATE TABLE commissioning_check (
    meter_id    int NOT NULL REFERENCES meter,
    item        text NOT NULL,
    passed      boolean NOT NULL,
    note        text NOT NULL DEFAULT '',
    checked_by  text NOT NULL,
    checked_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (meter_id, item)
);

-- Every hand entry that was tried, for the error statistics per operator.
CREATE TABLE entry_attempt (
    attempt_id  int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator    text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    meter_id    int REFERENCES meter,
    outcome     text NOT NULL CHECK (outcome IN ('accepted', 'warned', 'blocked')),
    codes       text[] NOT NULL DEFAULT '{}'
);
CREATE INDEX entry_attempt_at ON entry_attempt (at, operator);

-- A whole-stock check before or after the season.
CREATE TABLE campaign (
    campaign_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code         text NOT NULL UNIQUE,
    name         text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('pre_season', 'post_season', 'other')),
    area_id      int REFERENCES area,
    start_date   date NOT NULL,
    end_date     date NOT NULL,
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CHECK (start_date <= end_date)
);
CREATE TABLE campaign_item (
    campaign_id   int NOT NULL REFERENCES campaign,
    point_id      int NOT NULL REFERENCES metering_point,
    meter_id      int REFERENCES meter,
    comms         text NOT NULL DEFAULT 'unknown' CHECK (comms IN ('unknown', 'ok', 'weak', 'silent', 'no_meter')),
    plausibility  text NOT NULL DEFAULT 'unknown' CHECK (plausibility IN ('unknown', 'ok', 'alert')),
    state         text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'ok', 'fault', 'repaired', 'unreachable')),
    note          text NOT NULL DEFAULT '',
    checked_by    text,
    checked_at    timestamptz,
    PRIMARY KEY (campaign_id, point_id)
);

-- Who is told of a freeze or an adjustment. The secret signs; what was sent is kept.
CREATE TABLE webhook (
    webhook_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url         text NOT NULL,
    secret      bytea NOT NULL,
    events      text[] NOT NULL,
    active      boolean NOT NULL DEFAULT true,
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE webhook_call (
    call_id     int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id  int NOT NULL REFERENCES webhook,
    event       text NOT NULL,
    body        jsonb NOT NULL,
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts    int NOT NULL DEFAULT 0,
    next_at     timestamptz NOT NULL DEFAULT now(),
    status      int,
    error       text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz
);
CREATE INDEX webhook_call_due ON webhook_call (next_at) WHERE state = 'waiting';

-- Who is told of what: a role, in an area or in all, by an apprise URL, silent in the quiet hours of the area's zone.
CREATE TABLE notification_rule (
    rule_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    role        text NOT NULL,
    area_id     int REFERENCES area,
    url         text NOT NULL,
    events      text[] NOT NULL,
    min_severity text NOT NULL DEFAULT 'critical' CHECK (min_severity IN ('info', 'warning', 'critical')),
    quiet_from  time,
    quiet_to    time,
    language    text NOT NULL DEFAULT 'zh' CHECK (language IN ('en', 'zh')),
    active      boolean NOT NULL DEFAULT true,
    told_until  int8 NOT NULL DEFAULT 0,
    created_by  text NOT NULL
);
