-- Rule sets that two persons switch on, trials of thresholds on history, the rule set behind every finding, and meters
-- whose use may be carried on past their last reading.

ALTER TABLE rule_set ADD COLUMN activated_by text, ADD COLUMN retired_at timestamptz;

-- Which version of the thresholds an occurrence was found with; NULL: before anybody asked.
ALTER TABLE finding ADD COLUMN rule_set_id int;

-- A trial judges history under other thresholds and writes nothing but its own answer. `done` of `whole` places;
-- `beat_at`: when the process that works on it was last seen.
CREATE TABLE rule_trial (
    trial_id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule_group_id  int NOT NULL REFERENCES rule_group,
    settings       jsonb NOT NULL,
    from_ts        timestamptz,
    to_ts          timestamptz,
    state          text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    stage          text NOT NULL DEFAULT '',
    done           int NOT NULL DEFAULT 0,
    whole          int NOT NULL DEFAULT 0,
    result         jsonb,
    message        text NOT NULL DEFAULT '',
    created_by     text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    beat_at        timestamptz,
    finished_at    timestamptz
);

-- Step 7 of the estimation ladder: the use of a meter may be carried on past its last reading until `until`, because
-- somebody said so and why.
CREATE TABLE extrapolation (
    meter_id    int PRIMARY KEY REFERENCES meter,
    until       timestamptz NOT NULL,
    reason      text NOT NULL,
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
