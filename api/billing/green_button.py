"""Green Button: a point's consumption as an ESPI (NAESB REQ.21) Atom feed, for customers' own tools.

One usage point with its service kind, one reading type, one interval block of hours. Quality codes are ESPI's;
energy is in
Wh with the whole joules rounded once an hour, so the block's sum may differ from the bill by half a watt-hour an
hour: the
bill stands in its own element, exact.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree as Xml

from compute.quality import espi_code
from compute.rounding import rounded

_ATOM: Final = "http://www.w3.org/2005/Atom"
_ESPI: Final = "http://naesb.org/espi"
# ESPI ServiceKind by our service: heat 3 has no code of its own and is 6 (heat), water 2, electricity 0, gas 1.
SERVICE_KIND: Final = {0: "6", 1: "6", 2: "6", 3: "2", 4: "2", 5: "0", 6: "1"}
_WH: Final = "72"
_CUBIC_METRE: Final = "42"


def feed(
    point: str, service: int, intervals: Sequence[dict[str, Any]], *, updated: datetime, total: int | None
) -> bytes:
    """The feed of one point. `intervals`: rows of `ingest.store.lookup.consumption`; `total` in J or mL."""
    Xml.register_namespace("", _ATOM)
    Xml.register_namespace("espi", _ESPI)
    root = Xml.Element(f"{{{_ATOM}}}feed")
    _text(root, "id", f"urn:uuid:{uuid5(NAMESPACE_URL, f'heatbook/{point}/{service}')}")
    _text(root, "title", f"Usage of {point}")
    _text(root, "updated", updated.isoformat())
    usage = _entry(root, f"{point}/{service}/usage", "Usage point", updated, "UsagePoint")
    kind = _espi(usage, "ServiceCategory")
    _espi(kind, "kind", SERVICE_KIND[service])
    reading_type = _entry(root, f"{point}/{service}/type", "Hourly interval", updated, "ReadingType")
    volume = service in (3, 4, 6)
    for name, value in (
        ("accumulationBehaviour", "4"),
        ("intervalLength", "3600"),
        ("kind", "12"),
        ("powerOfTenMultiplier", "-3" if volume else "0"),
        ("uom", _CUBIC_METRE if volume else _WH),
    ):
        _espi(reading_type, name, value)
    block = _entry(root, f"{point}/{service}/block", "Intervals", updated, "IntervalBlock")
    column, per = ("volume_ml", 1_000) if volume else ("energy_j", 3_600)
    known = [row for row in intervals if row[column] is not None]
    if known:
        span = _espi(block, "interval")
        seconds = sum(row["duration_s"] for row in known)
        _espi(span, "duration", str(seconds))
        _espi(span, "start", str(int(known[0]["start_at"].timestamp())))
    for row in known:
        reading = _espi(block, "IntervalReading")
        quality = _espi(reading, "ReadingQuality")
        _espi(quality, "quality", str(espi_code(row["flags"])))
        period = _espi(reading, "timePeriod")
        _espi(period, "duration", str(row["duration_s"]))
        _espi(period, "start", str(int(row["start_at"].timestamp())))
        _espi(reading, "value", str(int(rounded(row[column], per, 0))))
    if total is not None:
        summary = _entry(root, f"{point}/{service}/summary", "Billed quantity", updated, "UsageSummary")
        _espi(_espi(summary, "overallConsumptionLastPeriod"), "value", format(rounded(total, per, 3), "f"))
    made: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return made


def _text(parent: Xml.Element, name: str, text: str) -> None:
    Xml.SubElement(parent, f"{{{_ATOM}}}{name}").text = _clean(text)


def _clean(text: str) -> str:
    # XML has no control characters, whatever a code may hold.
    return "".join(char for char in text if char >= " " or char in "\t\n")


def _espi(parent: Xml.Element, name: str, text: str | None = None) -> Xml.Element:
    child = Xml.SubElement(parent, f"{{{_ESPI}}}{name}")
    child.text = text
    return child


def _entry(root: Xml.Element, name: str, title: str, updated: datetime, kind: str) -> Xml.Element:
    entry = Xml.SubElement(root, f"{{{_ATOM}}}entry")
    _text(entry, "id", f"urn:uuid:{uuid5(NAMESPACE_URL, f'heatbook/{name}')}")
    _text(entry, "title", title)
    _text(entry, "updated", updated.isoformat())
    content = Xml.SubElement(entry, f"{{{_ATOM}}}content")
    return _espi(content, kind)
