"""EDIFACT MSCONS (D.04B): quantities of a period as the message that energy markets exchange metered values in.

One interchange, one message; a LIN group a quantity with its period and quality. Release characters are escaped;
free text
is cut to what a segment allows.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

_STATUS: Final = {"valid": "220", "edited": "Z33", "estimated": "67", "incomplete": "67", "none": "20"}


def escaped(text: str) -> str:
    """Text with EDIFACT's service characters released; control characters left out."""
    safe = "".join(char for char in text if char >= " ")
    for char in "?+:'":
        safe = safe.replace(char, "?" + char)
    return safe


def interchange(rows: Sequence[dict[str, Any]], *, sender: str, receiver: str, reference: str, now: datetime) -> bytes:
    """An interchange of shown quantities (`api.billing.service.shown`); those without energy are left out."""
    stamp = now.astimezone(UTC)
    body = [
        "UNH+1+MSCONS:D:04B:UN:2.4c'",
        f"BGM+7+{escaped(reference)}+9'",
        f"DTM+137:{stamp:%Y%m%d%H%M}?+00:303'",
        f"NAD+MS+{escaped(sender)[:35]}::9'",
        f"NAD+MR+{escaped(receiver)[:35]}::9'",
        "UNS+D'",
    ]
    number = 0
    for row in rows:
        value = row["energy_kwh"] if row["energy_kwh"] is not None else row["volume_m3"]
        if value is None:
            continue
        number += 1
        unit = "KWH" if row["energy_kwh"] is not None else "MTQ"
        begin, end = (datetime.fromisoformat(row["determinants"][name]).astimezone(UTC) for name in ("from", "to"))
        body += [
            f"NAD+DP+++{escaped(row['point'])[:35]}'",
            f"LOC+172+{escaped(row['point'])[:35]}'",
            f"LIN+{number}'",
            "PIA+5+7-0?:1.8.0:SRW'",
            f"QTY+{_STATUS[row['quality']]}:{value}:{unit}'",
            f"DTM+163:{begin:%Y%m%d%H%M}?+00:303'",
            f"DTM+164:{end:%Y%m%d%H%M}?+00:303'",
        ]
    body.append(f"UNT+{len(body) + 1}+1'")
    head = ["UNA:+.? '", f"UNB+UNOC:3+{escaped(sender)[:35]}:14+{escaped(receiver)[:35]}:14+{stamp:%y%m%d:%H%M}+1'"]
    return "\n".join([*head, *body, "UNZ+1+1'"]).encode("latin-1", "replace")
