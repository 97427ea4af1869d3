"""All known meter profiles, and which one a telegram is for.

Rules: packaged profiles are the TOML files beside this module; more can be given as text, and win over packaged ones of
the same name. Finding never fails: a telegram that no profile claims gets the standard profile of its protocol.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from protocols.errors import ProfileError
from protocols.profile import MeterProfile
from protocols.profile_schema import profiles_from_text
from protocols.telegram import Telegram

_CACHE_SIZE = 8192


class Catalogue:
    """Profiles by name, and by what a telegram says of its meter."""

    def __init__(self, profiles: Iterable[MeterProfile]) -> None:
        self._by_name: dict[str, MeterProfile] = {}
        self._aliases: dict[str, str] = {}
        for profile in profiles:
            self._by_name[profile.name] = profile
            self._aliases.update(dict.fromkeys(profile.aliases, profile.name))
        self._found: dict[tuple[str, str, int | None, str, str], MeterProfile] = {}
        if not any(profile.fallback and "*" in profile.protocols for profile in self._by_name.values()):
            raise ProfileError("profile.missing", "no standard profile for any protocol")

    def get(self, name: str) -> MeterProfile:
        """The profile of this name or alias. Raises KeyError."""
        return self._by_name[name if name in self._by_name else self._aliases[name]]

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._by_name))

    def profiles(self) -> tuple[MeterProfile, ...]:
        """All profiles, by name."""
        return tuple(self._by_name[name] for name in self.names())

    def find(self, telegram: Telegram) -> MeterProfile:
        """The profile that fits a telegram's protocol and meter best; a standard profile where none claims it."""
        hint = telegram.details.get("profile", "")
        if hint in self._by_name:
            return self._by_name[hint]
        meter = telegram.meter
        # What else tells layouts apart: a CJ/T 188 dialect, the radio module around an M-Bus meter.
        dialect = telegram.details.get("dialect") or telegram.details.get("module", "")
        key = (telegram.protocol, meter.manufacturer, meter.version, meter.medium, dialect)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= _CACHE_SIZE:
                self._found.clear()
            found = self._found[key] = self._best(telegram, dialect)
        return found

    def _best(self, telegram: Telegram, dialect: str) -> MeterProfile:
        ranked: list[tuple[int, int, str]] = []
        for name, profile in self._by_name.items():
            own = telegram.protocol in profile.protocols
            if not own and "*" not in profile.protocols:
                continue
            score = profile.detection.score(telegram.meter, dialect)
            if score is None or (not score and not profile.fallback):
                continue
            ranked.append((score, 1 if own else 0, name))
        best = max(ranked, key=lambda item: (item[0], item[1]))
        tied = sorted(name for score, own, name in ranked if (score, own) == best[:2])
        return self._by_name[tied[0]]

    def extended(self, texts: Mapping[str, str]) -> "Catalogue":
        """A catalogue with more profiles, file name -> TOML text, which win over those of the same name.

        Raises
        ------
        ProfileError
            Naming file and key.
        """
        return Catalogue([*self._by_name.values(), *profiles_from_texts(texts)])


def profiles_from_texts(texts: Mapping[str, str]) -> list[MeterProfile]:
    """Profiles of several files, in order of file name. Raises ProfileError: also where two files hold the same
    name.
    """
    made: dict[str, str] = {}
    profiles: list[MeterProfile] = []
    for file in sorted(texts):
        for profile in profiles_from_text(texts[file], file):
            if profile.name in made:
                raise ProfileError("profile.name", f"{file}: name {profile.name!r} is taken by {made[profile.name]}")
            made[profile.name] = file
            profiles.append(profile)
    return profiles


@cache
def catalogue() -> Catalogue:
    """The packaged profiles, loaded once."""
    folder = files("protocols.profiles")
    texts = {item.name: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".toml")}
    return Catalogue(profiles_from_texts(texts))
