"""Refusals of the services in the reader's words, found by their stable code and the shape of their message.

Rules: services speak English; this table holds their messages as templates, and a template is a message id like any
other text. What a message carries (a number, a code, a day) is taken out of it and put into the translation. A message
that no template knows is told by its code, and by a code that nobody knows as it is: never hidden.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from nicegui import ui

from api.console.names import STATES
from api.console.texts import Texts
from api.console.words import ACTIONS_TO_DO, THINGS
from ingest.errors import IngestError

# Narrow ones first; a placeholder takes what stands there, a word of the house is translated itself.
TEMPLATES: Final[tuple[str, ...]] = (
    # who may do what
    "the role {role} may not do this",
    "the session is over; log in again",
    "whoever entered or approved a value does not decide on it again",
    # alerts
    "the alert has revision {now}, the decision was made on {then}",
    "the alert was changed in the meantime",
    "{action} is not possible while the alert is {state}",
    "{action} needs a time in the future",
    "a suppression needs a reason",
    "a field check needs a due date in the future",
    "a comment needs words",
    "a comment has at most {n} characters",
    "a view has a name of at most 100 characters",
    "no such alert",
    "raised by {rule}",
    # audit and campaigns
    "{area} has its sample for the week of {week}",
    "{area} has no points",
    "say what is wrong",
    "a campaign has a kind and ends after it begins",
    "say which of your areas",
    "there is no campaign '{code}'",
    # entries and exchanges
    "below the last reading, {value} of {moment} UTC",
    "above the next reading, {value} of {moment} UTC",
    "{text} is below the last reading, {value}",
    "{advance} since the last reading; the pipe delivers at most {most} in that time",
    "at: Value error, the clocks of {zone} skipped this time",
    "at: Value error, the clocks of {zone} showed this time twice: add {first} or {second} to it",
    "the time of reading lies in the future",
    "the reading is more than a year old",
    "the display has {n} digits",
    "the display shows {n} decimals, '{text}' has more",
    "'{text}' is not a number",
    "'{text}' is not an index",
    "this reading is there already",
    "at that time {value} is stored",
    "this meter is nowhere at that time, not at {point}",
    "this meter is at {there} at that time, not at {point}",
    "the meter is installed nowhere at that time",
    "{n} times the use of the last month",
    "no use since the last reading",
    "an edit needs a reason",
    "the entry is {state} already",
    "the exchange lies in the future",
    "the point {point} has no such meter at that time",
    "this is the meter that is there already",
    "the meter came on {day}, it can't go before",
    "meter {serial} was taken out on {day}",
    "a photo is a JPEG, PNG or WebP file",
    "a photo has at most {n} bytes",
    # registry
    "meter {serial} does not exist",
    "point {code} does not exist",
    "there is no area '{code}'",
    "serial {serial} belongs to several meters: say manufacturer and medium",
    "a meter needs a serial number",
    # lines
    "no worker reads this gateway just now",
    "no answer within {n} s",
    "no answer in {n} s",
    "the answer broke off",
    "the worker went away while it read",
    "only an M-Bus can be searched",
    "the gateway closed the connection",
    "the line is closed",
    "bytes that are no frame",
    "discovered meter {n} is {state} already",
    # billing
    "the period {code} exists already",
    "the period {code} has not ended",
    "the period {code} is frozen already",
    "there is no billing period '{code}'",
    "a code has 1-40 letters, digits, dots, hyphens and underscores",
    "a period has 1-{n} days",
    "a release needs a reason",
    "no such billing quantity",
    # people
    "a password has at least {n} characters",
    "a name has 1-100 printable characters",
    "there is a person called '{name}'",
    "there is no person called '{name}'",
    "there is no such living key",
    "this is no address that apprise knows",
    "the key would be over before it begins",
    "no such {thing}",
)
# What a code says where no template fits; also what databases and lines are told by.
BY_CODE: Final[Mapping[str, str]] = {
    "stale": "Somebody else was faster: load the page again and decide on what it shows then.",
    "conflict": "This contradicts what is stored: load the page again.",
    "not_found": "This is not there, or not in your areas.",
    "forbidden": "You may not do this.",
    "area.limited": "This reaches beyond your areas: name areas of yours, or ask who sees all of them.",
    "input.invalid": "Something in the form is not right: check each field.",
    "unavailable": "Not available just now: try again in a minute.",
    "read.failed": "The meter did not answer.",
    "database.away": "The database is away: try again in a minute.",
    "idempotency.mismatch": "This form was sent before with other contents.",
    "body.too_large": "The file is too large.",
}
_PLACE: Final = re.compile(r"\{(\w+)\}")
# Words inside messages that are codes themselves.
_CODES: Final[Mapping[str, str]] = {**THINGS, **STATES, **ACTIONS_TO_DO}


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = _PLACE.split(template)
    body = "".join(re.escape(part) if at % 2 == 0 else f"(?P<{part}>.+?)" for at, part in enumerate(parts))
    return re.compile(body + r"\Z")


def told_text(texts: Texts, message: str, code: str = "") -> str:
    """A service's message in the reader's language."""
    if texts.language == "en":
        return message[:1].upper() + message[1:]
    for template in TEMPLATES:
        found = _pattern(template).match(message)
        if found:
            words = {name: texts(_CODES.get(value, value)) for name, value in found.groupdict().items()}
            return texts(template, **words)
    return texts(BY_CODE[code]) if code in BY_CODE else message


def told(texts: Texts, error: Exception) -> str:
    """An error in the reader's language; what is no refusal of a service is told as a wrong form."""
    if isinstance(error, IngestError):
        return told_text(texts, error.message, error.code)
    return texts(BY_CODE["input.invalid"])


def warn(texts: Texts, error: Exception) -> None:
    """Show a refusal on the page until it is closed."""
    ui.notify(told(texts, error), type="negative", timeout=0, close_button=texts("Close"), multi_line=True)


def for_browser(texts: Texts) -> list[dict[str, str]]:
    """The table for forms that the browser sends itself: patterns with named groups, and what to say. English: none."""
    if texts.language == "en":
        return []
    return [
        {"pattern": _pattern(template).pattern.replace("(?P<", "(?<").replace(r"\Z", "$"), "text": texts(template)}
        for template in TEMPLATES
    ]


def codes_for_browser(texts: Texts) -> dict[str, Any]:
    """What codes and words inside messages are called."""
    return {
        "codes": {code: texts(text) for code, text in BY_CODE.items()} if texts.language != "en" else {},
        "words": {code: texts(text) for code, text in _CODES.items()} if texts.language != "en" else {},
    }
