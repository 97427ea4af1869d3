"""Which profiles and JSON mappings this process knows, and what a profile makes of a telegram.

Rules: the packaged ones are always there; a user's TOML files in the data folder (`profiles/*.toml`, `mappings/*.toml`)
are added once, at the start, and win over packaged ones of the same name. A wrong file is left out and named with its
key; it never stops the service, nor costs the other files.
"""

import tomllib
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

import structlog

from ingest.model import Decoded
from protocols.catalogue import Catalogue, catalogue
from protocols.errors import ProfileError
from protocols.mqtt.mapping import JsonMapping, mapping_from_toml, packaged_mappings, topic_matches
from protocols.profile import MeterProfile
from protocols.profile_schema import profiles_from_text
from protocols.registers import RegisterReading
from protocols.telegram import Telegram

log = structlog.get_logger(__name__)

_MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class OwnProfiles:
    """What a user's files hold: profiles and mappings by name, and why a file was left out."""

    profiles: dict[str, MeterProfile] = field(default_factory=dict)
    mappings: dict[str, JsonMapping] = field(default_factory=dict)
    refused: tuple[ProfileError, ...] = ()


_own = OwnProfiles()


def own_profiles(files: list[Path]) -> OwnProfiles:
    """The content of TOML files; one with ``[[points]]`` is a JSON mapping, any other a meter profile.

    A file that cannot be read, or whose name another one took, is in `refused`: file and key in the message.
    """
    profiles: dict[str, MeterProfile] = {}
    mappings: dict[str, JsonMapping] = {}
    refused: list[ProfileError] = []
    for file in files:
        try:
            found = _content(file)
            for one in found:
                known = mappings if isinstance(one, JsonMapping) else profiles
                if one.name in known:
                    raise ProfileError("profile.name", f"{file.name}: name {one.name!r} is taken by another file")
            mappings |= {one.name: one for one in found if isinstance(one, JsonMapping)}
            profiles |= {one.name: one for one in found if isinstance(one, MeterProfile)}
        except ProfileError as error:
            refused.append(error)
    return OwnProfiles(profiles, mappings, tuple(refused))


def _content(file: Path) -> tuple[MeterProfile | JsonMapping, ...]:
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise ProfileError("profile.size", f"{file.name}: more than {_MAX_FILE_BYTES} bytes")
        text = file.read_text("utf-8")
        table = tomllib.loads(text)
        if "points" in table:
            return (mapping_from_toml(table, file.name),)
        return profiles_from_text(text, file.name)
    except ProfileError:
        raise
    except (OSError, ValueError, ArithmeticError, RecursionError) as error:
        raise ProfileError("profile.toml", f"{file.name}: {error}") from error


def load_own_profiles(data: Path) -> OwnProfiles:
    """Add the files of a data folder to what this process knows; wrong ones are logged and left out."""
    files = [file for folder in ("profiles", "mappings") for file in sorted((data / folder).glob("*.toml"))]
    own = own_profiles(files)
    for error in own.refused:
        log.error("profile left out", code=error.code, reason=error.message)
    if own.profiles or own.mappings:
        log.info("own profiles loaded", profiles=sorted(own.profiles), mappings=sorted(own.mappings))
    use_own_profiles(own)
    return own


def use_own_profiles(own: OwnProfiles) -> None:
    """Make these the process's own profiles, instead of any before."""
    global _own
    _own = own
    known_profiles.cache_clear()


@cache
def known_profiles() -> Catalogue:
    """The packaged profiles with the process's own."""
    packaged = catalogue()
    return packaged if not _own.profiles else Catalogue([*packaged.profiles(), *_own.profiles.values()])


def profile_named(name: str) -> MeterProfile:
    """The profile of this name. Raises ProfileError "profile.unknown"."""
    try:
        return known_profiles().get(name)
    except KeyError as error:
        raise ProfileError("profile.unknown", f"no profile is called {name[:60]!r}") from error


def mapping_of(name: str | None, topic: str) -> JsonMapping | None:
    """The JSON mapping of this name, else the process's own for this topic; packaged ones find their topics."""
    if name and (named := _own.mappings.get(name) or packaged_mappings().get(name)):
        return named
    return next(
        (own for own in _own.mappings.values() if any(topic_matches(pattern, topic) for pattern in own.topics)), None
    )


def profile_for(telegram: Telegram, name: str | None) -> MeterProfile:
    """The profile of this name, or the one that fits the telegram. Raises ProfileError "profile.unknown"."""
    if name:
        try:
            return profile_named(name)
        except ProfileError:
            # A mapping has read the message; its registers follow the standard rules.
            if telegram.details.get("mapping") != name:
                raise
    return known_profiles().find(telegram)


def interpreted(
    telegram: Telegram,
    profile: MeterProfile,
    *,
    local: datetime | None = None,
    sent: datetime | None = None,
    remarks: tuple[str, ...] = (),
) -> Decoded:
    """What a profile makes of a telegram.

    Parameters
    ----------
    local : datetime, optional
        Instant of the read, aware, in the zone of the meter's clock: a clock far from it dates no history.
    sent : datetime, optional
        Instant that the sender gave the present values, aware.
    remarks : tuple of str
        Flags of the decoding itself, before those of the profile.
    """
    read = local if local is None or sent is None else sent.astimezone(local.tzinfo)
    found = profile.interpret(telegram, reference=None if read is None else read.replace(tzinfo=None))
    readings = found.readings
    if sent is not None:
        readings = tuple(
            reading if reading.time else RegisterReading(reading.register, reading.count, sent, reading.error)
            for reading in readings
        )
    flags = (*remarks, *found.flags)
    return Decoded(telegram, profile.name, readings, found.meter_time, found.info_code, flags, sent, remarks)
