-- Photos of an exchange: what each shows, in the order they were taken; the files lie under their own hash.
CREATE TABLE installation_photo (
    installation_id  int NOT NULL REFERENCES installation ON DELETE CASCADE,
    place            smallint NOT NULL,
    shows            text NOT NULL CHECK (shows IN ('final_index', 'initial_index', 'meter_plate', 'other')),
    reference        text NOT NULL,
    PRIMARY KEY (installation_id, place)
);
INSERT INTO installation_photo
SELECT installation_id, 0, 'other', photo_reference FROM installation WHERE photo_reference IS NOT NULL;
ALTER TABLE installation DROP COLUMN photo_reference;
