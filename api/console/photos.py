"""Photos of displays and exchanges on a page: small, each with what it shows, the whole one behind it."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from api.console.frame import Html
from api.console.texts import Texts, marked
from api.console.words import word

PHOTOS: Final = {
    "final_index": marked("final index"),
    "initial_index": marked("initial index"),
    "meter_plate": marked("plate of the meter"),
    "other": marked("photo"),
}


def photo_strip(texts: Texts, photos: Sequence[Mapping[str, Any]]) -> Html:
    """Photos side by side; an en dash where there are none."""
    shown = (_photo(word(texts, one["shows"], PHOTOS), f"/api/v1/field/photos/{one['reference']}") for one in photos)
    return Html("".join(shown) or "–")


def _photo(name: str, address: str) -> str:
    told, source = escape(name), escape(address)
    return (
        f'<a class="hb-photo" href="{source}" target="_blank" rel="noopener">'
        f'<img src="{source}" alt="{told}" loading="lazy"><span>{told}</span></a>'
    )
