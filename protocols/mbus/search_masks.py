"""In which order a search narrows a mask down: identification, fabrication number, medium, version, manufacturer.

Data and pure functions; `search` knows what to do with the answers.
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import IntEnum
from typing import Final, NamedTuple

from protocols.mbus.addressing import ANY_IDENTIFICATION, Selection
from protocols.mbus.header import MEDIA

# Decimal digits first: most meters have no others. F is the wildcard and cannot be asked for.
_DIGITS: Final = "0123456789ABCDE"
_ANY: Final = 0xFF


class Level(IntEnum):
    """What a mask is narrowed by next."""

    IDENTIFICATION = 0
    ANY_FABRICATION = 1  # whoever knows the enhanced selection
    MEDIUM = 2
    RARE_MEDIUM = 3
    VERSION = 4
    MANUFACTURER_LOW = 5
    MANUFACTURER_HIGH = 6
    FABRICATION = 7
    END = 8


class Place(NamedTuple):
    """A level, and within identification and fabrication number the digit."""

    level: Level
    digit: int = 0


START: Final = Place(Level.IDENTIFICATION)
_DIGITS_OF: Final = (Level.IDENTIFICATION, Level.FABRICATION)


def deeper(mask: Selection, place: Place) -> Place:
    """The place after this one, its digit or byte left open."""
    if place.level in _DIGITS_OF and place.digit < 7:
        return Place(place.level, place.digit + 1)
    if place.level >= Level.MANUFACTURER_HIGH:
        return Place(Level.END)
    if place.level is Level.IDENTIFICATION and mask.fabrication is not None:
        return Place(Level.FABRICATION)
    return Place(Level(place.level + 1))


def _fixed(mask: Selection, place: Place) -> bool:
    """Whether the mask already says what this place would vary."""
    level = place.level
    if level is Level.IDENTIFICATION:
        return mask.identification[place.digit] != "F"
    if level is Level.FABRICATION:
        return mask.fabrication is not None and mask.fabrication[place.digit] != "F"
    return {
        Level.MEDIUM: mask.medium != _ANY,
        Level.RARE_MEDIUM: mask.medium != _ANY,
        Level.VERSION: mask.version != _ANY,
        Level.MANUFACTURER_LOW: mask.manufacturer & _ANY != _ANY,
        Level.MANUFACTURER_HIGH: mask.manufacturer >> 8 != _ANY,
    }.get(level, False)


def narrower(mask: Selection, place: Place) -> tuple[Selection, Place, list[tuple[Selection, Place]]]:
    """The mask, the place where it is still open, and the narrower masks there with their places.

    There are none where nothing is left to tell meters apart by.
    """
    while _fixed(mask, place):
        place = deeper(mask, place)
    after = deeper(mask, place)
    masks = [(one, Place(Level.FABRICATION) if one.fabrication else after) for one in _masks(mask, place)]
    return mask, place, masks


def _with_digit(digits: str, place: int, digit: str) -> str:
    return digits[:place] + digit + digits[place + 1 :]


def _masks(mask: Selection, place: Place) -> Iterator[Selection]:
    level, at = place
    if level is Level.IDENTIFICATION:
        for digit in _DIGITS:
            yield replace(mask, identification=_with_digit(mask.identification, at, digit))
    elif level is Level.FABRICATION:
        for digit in _DIGITS:
            yield mask.with_fabrication(_with_digit(mask.fabrication or ANY_IDENTIFICATION, at, digit))
    elif level is Level.ANY_FABRICATION:
        # Slaves without the enhanced selection stay silent: the levels after this one find them.
        yield mask.with_fabrication(ANY_IDENTIFICATION)
    elif level is Level.MEDIUM:
        for medium in MEDIA:
            yield replace(mask, medium=medium)
    elif level is Level.RARE_MEDIUM:
        for medium in range(_ANY):
            if medium not in MEDIA:
                yield replace(mask, medium=medium)
    elif level is Level.VERSION:
        for version in range(_ANY):
            yield replace(mask, version=version)
    elif level is Level.MANUFACTURER_LOW:
        for low in range(_ANY):
            yield replace(mask, manufacturer=0xFF00 | low)
    elif level is Level.MANUFACTURER_HIGH:
        for high in range(_ANY):
            yield replace(mask, manufacturer=high << 8 | mask.manufacturer & _ANY)
