"""What changed between the versions of a billing figure: old, new, difference and why; and what else a bill is made of.

Rules: figures come from the stored determinants, so the page tells what the change feed told.
"""

from decimal import Decimal
from typing import Any

from api.console.code_words import ADJUSTMENTS, BILL_FIGURES, QUANTITY_STATES
from api.console.frame import Html, card, figure, grid, link
from api.console.names import actor_text
from api.console.session import Visitor
from api.console.words import word


def bill_figures(visitor: Visitor, quantity: dict[str, Any]) -> None:
    """Area, days and degree days: what a two-part tariff needs besides energy."""
    texts = visitor.texts
    area = quantity["heated_area_m2"]
    figure(texts("Heated area"), "–" if area is None else f"{texts.number(area, 2)} m²")
    suspended = quantity["days_suspended"]
    figure(
        texts("Days in service"),
        texts.number(quantity["days_in_service"], 1),
        note=texts("{n} d suspended", n=texts.number(suspended, 1)) if suspended else "",
    )
    degree_days = quantity["degree_days"]
    figure(texts("Degree days"), "–" if degree_days is None else f"{texts.number(degree_days, 1)} K·d")


def adjustment_card(visitor: Visitor, quantity: dict[str, Any]) -> None:
    """What an adjustment changed, figure by figure."""
    texts, changes = visitor.texts, (quantity.get("adjustment") or {}).get("changes", [])
    if not changes:
        return
    with card(texts("What this adjustment changed")):
        grid(
            [
                (texts("Figure"), "text"), (texts("Before"), "number"), (texts("Now"), "number"),
                (texts("Difference"), "number"), (texts("Cause"), "text"),
            ],
            [
                (
                    _figure_text(visitor, change["figure"]),
                    *(_value_text(visitor, change["figure"], change[name]) for name in ("old", "new", "difference")),
                    word(texts, change["cause"], ADJUSTMENTS),
                )
                for change in changes
            ],
            caption=texts("What this adjustment changed"),
        )  # fmt: skip


def versions_card(visitor: Visitor, quantity: dict[str, Any], versions: list[dict[str, Any]]) -> None:
    """Every version of the figure; nothing where there is one alone."""
    texts = visitor.texts
    if len(versions) < 2:
        return
    with card(texts("Versions")):
        grid(
            [
                (texts("Version"), "text"), (texts("State"), "text"), (texts("Energy"), "number"),
                (texts("Cause"), "text"), (texts("When"), "text"), (texts("Who"), "text"),
            ],
            [
                (
                    Html(link(str(row["version"]), f"/billing/quantities/{row['quantity_id']}"))
                    if row["quantity_id"] != quantity["quantity_id"]
                    else str(row["version"]),
                    word(texts, row["state"], QUANTITY_STATES),
                    texts.energy(_kwh(row["energy_j"]), 3),
                    word(texts, row["cause"] or "", ADJUSTMENTS),
                    texts.moment(row["created_at"]),
                    actor_text(texts, row["created_by"]),
                )
                for row in versions
            ],
            caption=texts("Versions"),
        )  # fmt: skip


def _kwh(energy_j: int | None) -> Decimal | None:
    return None if energy_j is None else Decimal(energy_j) / 3_600_000


def _figure_text(visitor: Visitor, name: str) -> str:
    if name.startswith("tiers."):
        return visitor.texts("tier {name}", name=name.removeprefix("tiers."))
    return word(visitor.texts, name, BILL_FIGURES)


def _value_text(visitor: Visitor, name: str, value: Any) -> str:
    texts = visitor.texts
    if value is None:
        return "–"
    if isinstance(value, dict):
        return ", ".join(f"{serial}: {_inner_text(visitor, inner)}" for serial, inner in value.items())
    if name == "energy_j" or name.startswith("tiers."):
        return texts.energy(_kwh(int(value)), 3)
    if name == "volume_ml":
        return f"{texts.number(Decimal(value) / 1_000_000, 3)} m³"
    unit = "m²" if name.endswith("_m2") else texts("days")
    return f"{texts.number(Decimal(str(value)), 2)} {unit}"


def _inner_text(visitor: Visitor, inner: Any) -> str:
    """A factor, or from and to of a meter (None: beyond the period)."""
    if not isinstance(inner, list):
        return str(inner)
    return " – ".join("…" if instant is None else visitor.texts.instant_text(instant) for instant in inner)
