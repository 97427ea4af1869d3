-- The reviewer's queue under a hundred thousand alerts, overdue alerts that go to the lead once, sealed addresses of
-- notification rules and what became of each message.

-- The queue in its order; decided alerts, which grow for ever, are not in it.
CREATE INDEX alert_rank ON alert (rank DESC, alert_id) WHERE state <> 'resolved';

ALTER TABLE alert ADD COLUMN escalated_at timestamptz;
CREATE INDEX alert_waiting ON alert (opened_at) WHERE escalated_at IS NULL AND state IN ('open', 'field_check');
CREATE INDEX alert_escalated ON alert (escalated_at) WHERE escalated_at IS NOT NULL;

-- sealed: the apprise address, which often holds a password, under the installation's master key. url holds one in clear
-- only where an older version wrote it; the service seals it when it next runs.
ALTER TABLE notification_rule
    ALTER COLUMN url SET DEFAULT '',
    ADD COLUMN sealed          bytea,
    ADD COLUMN service         text NOT NULL DEFAULT '',
    ADD COLUMN created_at      timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN overdue_until   timestamptz NOT NULL DEFAULT now();

CREATE TABLE notification_message (
    message_id  int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule_id     int NOT NULL REFERENCES notification_rule,
    at          timestamptz NOT NULL,
    event       text NOT NULL,
    title       text NOT NULL,
    items       int NOT NULL,
    taken       boolean NOT NULL
);
CREATE INDEX notification_message_at ON notification_message (at);
