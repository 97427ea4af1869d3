"""`heatbook users`: the first administrator, keys and the audit chain without a running service."""

import pytest

from api.cli import users
from ingest.errors import ConflictError, InvalidInputError, NotFoundError


def test_people_and_keys_are_made_listed_changed_and_revoked(database_url):
    users.add_person(database_url, "li", "admin", "a long password", language="zh")
    with pytest.raises(ConflictError):
        users.add_person(database_url, "li", "admin", "a long password")
    with pytest.raises(InvalidInputError, match="at least 10"):
        users.add_person(database_url, "wu", "lead", "short")
    assert users.change_person(database_url, "li", role="lead", disabled=True)["role"] == "lead"
    (person,) = users.list_people(database_url)
    assert "password_hash" not in person
    assert person["disabled_at"] is not None
    key = users.add_key(database_url, "billing system", "billing", scopes=["billing:read"], days=365)
    assert key.startswith("hbk_")
    (row,) = users.list_keys(database_url)
    assert (row["prefix"], row["scopes"]) == (key[:10], ["billing:read"])
    users.revoke_key(database_url, row["api_key_id"])
    with pytest.raises(NotFoundError):
        users.revoke_key(database_url, row["api_key_id"])
    report = users.verify_audit(database_url)
    assert (report.broken_at, report.entries) == (None, 4)
