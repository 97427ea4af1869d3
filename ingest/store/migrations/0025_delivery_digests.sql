-- A digest is sixteen bytes: as uuid it is compared as such, and each key takes five bytes less.
ALTER TABLE delivery_key ALTER COLUMN digest TYPE uuid USING encode(digest, 'hex')::uuid;
