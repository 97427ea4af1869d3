-- One row is what a meter showed at one instant, up to eight registers of a bank, as one delivery said it; a register that
-- it did not say is NULL. Six rows and six index entries become one: writing costs a quarter, a reading takes a quarter of
-- the bytes, and the instant and the delivery are stored once.
-- v0..v7: exact counts of the registers in slots 8 * bank .. 8 * bank + 7. part: 0 first, +1 for whatever else comes for the
-- same instant (other registers, other values). version: of every reading in the row, 0 first, +1 for a value that differs.
-- flags: compute.quality bits of every reading in the row; readings with other flags are a row of their own.
CREATE TABLE meter_reading (
    ts           timestamptz NOT NULL,
    delivery_id  int8 NOT NULL,
    meter_id     int NOT NULL,
    bank         smallint NOT NULL,
    part         smallint NOT NULL,
    version      smallint NOT NULL,
    flags        smallint NOT NULL,
    v0           int8,
    v1           int8,
    v2           int8,
    v3           int8,
    v4           int8,
    v5           int8,
    v6           int8,
    v7           int8,
    PRIMARY KEY (meter_id, bank, ts, part)
);
