-- sealed: what signs a webhook's calls, under the installation's master key. secret holds one in clear only where an older
-- version wrote it; the service seals it when it next looks for calls to deliver.
ALTER TABLE webhook
    ALTER COLUMN secret DROP NOT NULL,
    ADD COLUMN sealed bytea;
