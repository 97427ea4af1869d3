-- People, keys, audit, billing and its change feed.

CREATE TABLE person (
    person_id      int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text NOT NULL UNIQUE,
    full_name      text NOT NULL DEFAULT '',
    role           text NOT NULL CHECK (role IN ('technician', 'reviewer', 'approver', 'lead', 'billing', 'admin')),
    password_hash  text,
    language       text NOT NULL DEFAULT 'en' CHECK (language IN ('en', 'zh')),
    subject        text UNIQUE,
    disabled_at    timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now()
);

-- No row: every area. Rows: only those.
CREATE TABLE person_area (
    person_id  int NOT NULL REFERENCES person,
    area_id    int NOT NULL REFERENCES area,
    PRIMARY KEY (person_id, area_id)
);

-- key_hash: SHA-256 of a 256-bit random key (high entropy needs no slow hash); prefix is shown to people.
CREATE TABLE api_key (
    api_key_id    int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL,
    prefix        text NOT NULL,
    key_hash      bytea NOT NULL UNIQUE,
    role          text NOT NULL CHECK (role IN ('technician', 'reviewer', 'approver', 'lead', 'billing', 'admin')),
    scopes        text[] NOT NULL DEFAULT '{}',
    created_by    text NOT NULL DEFAULT 'system',
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,
    revoked_at    timestamptz,
    last_used_at  timestamptz
);

CREATE TABLE session (
    token_hash  bytea PRIMARY KEY,
    person_id   int NOT NULL REFERENCES person,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);

-- Append-only and hash-chained: hash = sha256(previous hash || canonical JSON of the entry).
CREATE TABLE audit_entry (
    audit_id  int8 PRIMARY KEY,
    at        timestamptz NOT NULL,
    actor     text NOT NULL,
    action    text NOT NULL,
    subject   text NOT NULL,
    details   jsonb NOT NULL DEFAULT '{}',
    previous  bytea NOT NULL,
    hash      bytea NOT NULL
);
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege'; END$$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

CREATE TABLE idempotency_key (
    key           text NOT NULL,
    caller        text NOT NULL,
    request_hash  bytea NOT NULL,
    status        int NOT NULL,
    response      bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, key)
);

CREATE TABLE billing_period (
    period_id    int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code         text NOT NULL UNIQUE,
    name         text NOT NULL DEFAULT '',
    start_date   date NOT NULL,
    end_date     date NOT NULL,
    settings     jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT now(),
    CHECK (start_date < end_date)
);

-- Versions of a quantity; state frozen rows never change (trigger); an adjustment is a new version with its cause.
-- transaction: the writer's xid8, so that readers can follow commit order (only rows below the snapshot's xmin are shown).
CREATE TABLE billing_quantity (
    quantity_id   int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period_id     int NOT NULL REFERENCES billing_period,
    point_id      int NOT NULL REFERENCES metering_point,
    service       smallint NOT NULL DEFAULT 1,
    version       int NOT NULL DEFAULT 1,
    state         text NOT NULL CHECK (state IN ('open', 'blocked', 'frozen', 'adjustment')),
    energy_j      int8,
    volume_ml     int8,
    share_measured   real NOT NULL DEFAULT 0,
    share_estimated  real NOT NULL DEFAULT 0,
    share_edited     real NOT NULL DEFAULT 0,
    quality       text NOT NULL DEFAULT 'valid',
    rule_set_id   int,
    run_id        int,
    determinants  jsonb NOT NULL DEFAULT '{}',
    previous_id   int8 REFERENCES billing_quantity,
    cause         text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    created_by    text NOT NULL DEFAULT 'system',
    transaction   xid8 NOT NULL DEFAULT pg_current_xact_id(),
    UNIQUE (period_id, point_id, service, version)
);
CREATE INDEX billing_quantity_feed ON billing_quantity (transaction, quantity_id);
CREATE INDEX billing_quantity_point ON billing_quantity (point_id, period_id);

CREATE FUNCTION frozen_is_forever() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN
  IF OLD.state IN ('frozen', 'adjustment') THEN
    RAISE EXCEPTION 'a frozen billing quantity never changes' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  NEW.transaction := pg_current_xact_id();
  RETURN NEW;
END$$;
CREATE TRIGGER billing_quantity_frozen BEFORE UPDATE OR DELETE ON billing_quantity
    FOR EACH ROW EXECUTE FUNCTION frozen_is_forever();

CREATE TABLE billing_acknowledgement (
    caller        text NOT NULL,
    quantity_id   int8 NOT NULL REFERENCES billing_quantity,
    acknowledged_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, quantity_id)
);
