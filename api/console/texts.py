"""The console's words in English and 中文, and its numbers and times in the reader's form.

English texts are the message ids; the catalogues are gettext files under `api/locale`, read from their .po form once
a process so that no compile step can be forgotten.
"""

import gettext
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

LANGUAGES = {"en": "English", "zh": "中文"}
_LOCALES = {"en": "en_GB", "zh": "zh_CN"}
_FOLDER = Path(__file__).parents[1] / "locale"


@cache
def translations(language: str) -> gettext.NullTranslations:
    """Catalogue of a language; English is the texts themselves."""
    catalogue = _FOLDER / language / "LC_MESSAGES" / "heatbook.po"
    if language == "en" or not catalogue.exists():
        return gettext.NullTranslations()
    with catalogue.open("rb") as file:
        parsed = read_po(file, locale=_LOCALES[language])
    compiled = BytesIO()
    write_mo(compiled, parsed)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def marked(message: str) -> str:
    """A text that a table holds and `Texts` translates later: marked so that the catalogue's test finds it."""
    return message


class Texts:
    """One reader's language, units and time zone.

    `energy_unit` is "kWh" or "GJ"; stored figures are joules and kWh, the conversion is 1 kWh = 0.0036 GJ exactly.
    """

    def __init__(self, language: str = "en", time_zone: str = "UTC", energy_unit: str = "kWh") -> None:
        self.language = language if language in LANGUAGES else "en"
        self.locale = _LOCALES[self.language]
        self.zone = ZoneInfo(time_zone)
        self.energy_unit = energy_unit if energy_unit in ("kWh", "GJ") else "kWh"
        self._gettext: Callable[[str], str] = translations(self.language).gettext

    def __call__(self, message: str, **values: Any) -> str:
        """The text in the reader's language, placeholders filled."""
        text = self._gettext(message)
        return text.format(**values) if values else text

    def number(self, value: float | Decimal | None, digits: int = 0) -> str:
        """A number with grouping and a fixed count of decimals; an en dash where there is none."""
        if value is None:
            return "–"
        pattern = "#,##0" + ("." + "0" * digits if digits else "")
        return str(format_decimal(value, format=pattern, locale=self.locale))

    def percent(self, share: float | None, digits: int = 1) -> str:
        """A share as a percentage."""
        if share is None:
            return "–"
        return str(format_percent(share, format="#,##0." + "0" * digits + "%", locale=self.locale))

    def energy(self, value_kwh: float | Decimal | None, digits: int = 1) -> str:
        """Energy in the reader's unit, with the unit."""
        if value_kwh is None:
            return "–"
        if self.energy_unit == "GJ":
            return f"{self.number(float(value_kwh) * 0.0036, digits + 2)} GJ"
        return f"{self.number(value_kwh, digits)} kWh"

    def at_stake(self, value_kwh: float) -> str:
        """What an alert puts at stake; a dash where no energy can be said to be."""
        return self.energy(value_kwh, 0) if value_kwh >= 0.5 else "–"

    def energy_value(self, value_kwh: float | None) -> float | None:
        """Energy as a bare number in the reader's unit, for charts and tables."""
        if value_kwh is None:
            return None
        return value_kwh * 0.0036 if self.energy_unit == "GJ" else value_kwh

    def moment(self, instant: datetime | None) -> str:
        """Date and time in the reader's zone."""
        if instant is None:
            return "–"
        pattern = "y-MM-dd HH:mm" if self.language == "zh" else "d MMM y, HH:mm"
        return str(format_datetime(instant.astimezone(self.zone), pattern, locale=self.locale))

    def instant_text(self, told: str) -> str:
        """An instant that came as ISO 8601 text."""
        return self.moment(datetime.fromisoformat(told))

    def day(self, instant: datetime | None) -> str:
        """Date in the reader's zone."""
        if instant is None:
            return "–"
        pattern = "y-MM-dd" if self.language == "zh" else "d MMM y"
        return str(format_date(instant.astimezone(self.zone).date(), pattern, locale=self.locale))

    def date(self, day: date) -> str:
        """A calendar day."""
        return str(format_date(day, "y-MM-dd" if self.language == "zh" else "d MMM y", locale=self.locale))

    def age(self, instant: datetime | None, now: datetime) -> str:
        """How long ago, in the coarsest unit that tells: "3 h", "2 d"."""
        if instant is None:
            return self("never")
        seconds = max(0.0, (now - instant).total_seconds())
        for size, name in ((86400, marked("{n} d")), (3600, marked("{n} h")), (60, marked("{n} min"))):
            if seconds >= size:
                return self(name, n=int(seconds // size))
        return self("just now")
