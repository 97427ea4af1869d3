-- Registry: areas, metering points, meters, registers, installations, gateways, buses, keys.
-- Overlap is forbidden with int4range so that no extension is needed (btree_gist is not everywhere).

CREATE TABLE area (
    area_id        int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code           text NOT NULL UNIQUE,
    name           text NOT NULL,
    team           text NOT NULL DEFAULT '',
    time_zone      text NOT NULL DEFAULT 'Asia/Shanghai',
    price_per_kwh  numeric(10,4) NOT NULL DEFAULT 0.2000,
    created_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE route (
    route_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    area_id   int NOT NULL REFERENCES area,
    code      text NOT NULL,
    name      text NOT NULL,
    UNIQUE (area_id, code)
);

CREATE TABLE rule_group (
    rule_group_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code           text NOT NULL UNIQUE,
    name           text NOT NULL
);
INSERT INTO rule_group (code, name) VALUES ('default', 'All meters');

-- A version of a group's thresholds; settings hold only what differs from the catalogue's defaults.
CREATE TABLE rule_set (
    rule_set_id    int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule_group_id  int NOT NULL REFERENCES rule_group,
    version        int NOT NULL,
    settings       jsonb NOT NULL DEFAULT '{}',
    state          text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'active', 'retired')),
    created_at     timestamptz NOT NULL DEFAULT now(),
    created_by     text NOT NULL DEFAULT 'system',
    activated_at   timestamptz,
    note           text NOT NULL DEFAULT '',
    UNIQUE (rule_group_id, version)
);
CREATE UNIQUE INDEX rule_set_one_active ON rule_set (rule_group_id) WHERE state = 'active';
INSERT INTO rule_set (rule_group_id, version, state, activated_at) SELECT rule_group_id, 1, 'active', now() FROM rule_group;

CREATE TABLE metering_point (
    point_id        int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code            text NOT NULL UNIQUE,
    area_id         int NOT NULL REFERENCES area,
    route_id        int REFERENCES route,
    kind            text NOT NULL DEFAULT 'dwelling'
                    CHECK (kind IN ('dwelling', 'shop', 'enterprise', 'building', 'substation', 'other')),
    address         text NOT NULL DEFAULT '',
    building        text NOT NULL DEFAULT '',
    account         text UNIQUE,
    parent_id       int REFERENCES metering_point,
    rule_group_id   int NOT NULL DEFAULT 1 REFERENCES rule_group,
    heated_area_m2  numeric(12,2),
    design_load_kw  numeric(12,3),
    contract        text NOT NULL DEFAULT '',
    latitude        double precision,
    longitude       double precision,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX metering_point_area ON metering_point (area_id);
CREATE INDEX metering_point_building ON metering_point (building) WHERE building <> '';
CREATE INDEX metering_point_parent ON metering_point (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE point_state (
    point_id  int NOT NULL REFERENCES metering_point,
    state     text NOT NULL CHECK (state IN ('active', 'suspended', 'vacant', 'closed')),
    period    tstzrange NOT NULL CHECK (NOT isempty(period)),
    note      text NOT NULL DEFAULT '',
    EXCLUDE USING gist (int4range(point_id, point_id, '[]') WITH &&, period WITH &&)
);
CREATE INDEX point_state_point ON point_state (point_id);

CREATE TABLE meter (
    meter_id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    serial         text NOT NULL,
    manufacturer   text NOT NULL DEFAULT '',
    medium         text NOT NULL DEFAULT 'heat',
    version        int,
    model          text NOT NULL DEFAULT '',
    profile        text NOT NULL DEFAULT '',
    qp_m3h         numeric(8,3),
    qs_m3h         numeric(8,3),
    mounting_side  text NOT NULL DEFAULT 'return' CHECK (mounting_side IN ('supply', 'return')),
    clock_zone     text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (manufacturer, serial, medium)
);
CREATE INDEX meter_serial ON meter (serial);

CREATE TABLE register (
    register_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter_id     int NOT NULL REFERENCES meter,
    name         text NOT NULL,
    quantity     text NOT NULL,
    unit         text NOT NULL,
    scale        smallint NOT NULL,
    digits       smallint,
    storage      int NOT NULL DEFAULT 0,
    tariff       int NOT NULL DEFAULT 0,
    subunit      int NOT NULL DEFAULT 0,
    UNIQUE (meter_id, name)
);

-- service: 1 heat, 2 cooling, 3 cold water, 4 hot water, 5 electricity, 6 gas, 0 other.
-- factor: what one displayed unit counts for at the point (transformer ratio); 1 for nearly all.
CREATE TABLE installation (
    installation_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    point_id         int NOT NULL REFERENCES metering_point,
    meter_id         int NOT NULL REFERENCES meter,
    service          smallint NOT NULL DEFAULT 1 CHECK (service BETWEEN 0 AND 6),
    period           tstzrange NOT NULL CHECK (NOT isempty(period)),
    factor           numeric(12,6) NOT NULL DEFAULT 1 CHECK (factor > 0),
    initial_index    int8,
    final_index      int8,
    initial_volume   int8,
    final_volume     int8,
    reason           text NOT NULL DEFAULT 'new',
    photo_reference  text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    created_by       text NOT NULL DEFAULT 'system',
    EXCLUDE USING gist (int4range(meter_id, meter_id, '[]') WITH &&, period WITH &&),
    EXCLUDE USING gist (int4range(point_id * 8 + service, point_id * 8 + service, '[]') WITH &&, period WITH &&)
);
CREATE INDEX installation_point ON installation (point_id);
CREATE INDEX installation_meter ON installation (meter_id);

-- A gateway is one address on the network; a bus is what hangs behind it.
CREATE TABLE gateway (
    gateway_id   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code         text NOT NULL UNIQUE,
    kind         text NOT NULL CHECK (kind IN ('mbus_tcp', 'mbus_serial', 'modbus_tcp', 'modbus_rtu', 'modbus_rtu_tcp',
                                               'cjt188_tcp', 'dlt645_tcp', 'mqtt', 'push', 'file', 'manual')),
    address      text NOT NULL,
    area_id      int REFERENCES area,
    enabled      boolean NOT NULL DEFAULT true,
    settings     jsonb NOT NULL DEFAULT '{}',
    latitude     double precision,
    longitude    double precision,
    created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE bus (
    bus_id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway_id   int NOT NULL REFERENCES gateway,
    code         text NOT NULL DEFAULT '1',
    baud_rate    int NOT NULL DEFAULT 2400,
    schedule_s   int NOT NULL DEFAULT 3600 CHECK (schedule_s > 0),
    jitter_s     int NOT NULL DEFAULT 0 CHECK (jitter_s >= 0),
    UNIQUE (gateway_id, code)
);

-- How a meter is reached: bus address (primary "5", secondary "12345678.2C2D.34.04", unit id, 14 digits, devEui, topic).
CREATE TABLE meter_link (
    meter_id      int PRIMARY KEY REFERENCES meter,
    bus_id        int REFERENCES bus,
    address       text NOT NULL DEFAULT '',
    settings      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX meter_link_bus ON meter_link (bus_id);

-- Device keys, AES-GCM sealed with the installation's master key; the database never sees a key in clear.
CREATE TABLE device_key (
    meter_id    int PRIMARY KEY REFERENCES meter,
    sealed      bytea NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now()
);

-- Counters of the comms board; one row a gateway and one a meter link, written by the worker that owns the gateway.
CREATE TABLE gateway_health (
    gateway_id       int PRIMARY KEY REFERENCES gateway,
    worker           text NOT NULL DEFAULT '',
    connected        boolean NOT NULL DEFAULT false,
    last_attempt_at  timestamptz,
    last_success_at  timestamptz,
    attempts         int8 NOT NULL DEFAULT 0,
    successes        int8 NOT NULL DEFAULT 0,
    timeouts         int8 NOT NULL DEFAULT 0,
    checksum_errors  int8 NOT NULL DEFAULT 0,
    collisions       int8 NOT NULL DEFAULT 0,
    refusals         int8 NOT NULL DEFAULT 0,
    latency_ms       real,
    last_error       text NOT NULL DEFAULT '',
    updated_at       timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE meter_health (
    meter_id          int PRIMARY KEY REFERENCES meter,
    last_attempt_at   timestamptz,
    last_success_at   timestamptz,
    attempts          int8 NOT NULL DEFAULT 0,
    successes         int8 NOT NULL DEFAULT 0,
    consecutive_failures int NOT NULL DEFAULT 0,
    timeouts          int8 NOT NULL DEFAULT 0,
    checksum_errors   int8 NOT NULL DEFAULT 0,
    collisions        int8 NOT NULL DEFAULT 0,
    latency_ms        real,
    last_error        text NOT NULL DEFAULT '',
    clock_drift_s     real,
    updated_at        timestamptz NOT NULL DEFAULT now()
);

-- Hourly outside temperature of an area, imported or measured.
CREATE TABLE weather (
    area_id        int NOT NULL REFERENCES area,
    ts             timestamptz NOT NULL,
    temperature_c  real NOT NULL,
    PRIMARY KEY (area_id, ts)
);
