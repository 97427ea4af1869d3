"""The scorecard as a page: a Markdown table and a plot beside it, with date and seeds.

The plot is drawn as SVG by hand: bars of precision and recall by kind against their floors, and the median delay.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape

from api.cli.scorecard_rows import COLUMNS, rows_of
from compute.scorecard import OVERALL, Scorecard

WIDTH, ROW, LEFT, TOP = 760, 26, 170, 46
BAR, DELAY_LEFT, DELAY_BAR = 330, 560, 140
FLOORS = {"precision": (0.80, "#1f6f8b"), "recall": (0.70, "#d98c3f")}


def write_page(path: Path, source: str, seeds: Sequence[int], card: Scorecard, seconds: float) -> None:
    """Write `path` and its plot under `pictures/` beside it."""
    picture = path.parent / "pictures" / f"{path.stem}.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(plot(card), encoding="utf-8")
    path.write_text(_text(path, source, seeds, card, seconds), encoding="utf-8")


def _text(path: Path, source: str, seeds: Sequence[int], card: Scorecard, seconds: float) -> str:
    score = card.total
    lines = [
        "# How good the alerts are",
        "",
        (
            f"Measured on {datetime.now(UTC):%Y-%m-%d} with `heatbook assess --scorecard {source}`, seeds "
            f"{', '.join(str(seed) for seed in seeds)}, {card.meter_days:,.0f} meter-days, in "
            f"{seconds / 60:.0f} minutes. The files of the scenario were imported, assessed and compared with their "
            "labels through the same commands that anybody uses."
        ),
        "",
        (
            f"**Precision {score.precision:.3f}, recall {score.recall:.3f}, {card.false_per_1000_meter_days:.3f} "
            f"false alerts per 1,000 meters and day; {card.false_zero} zero-use alerts at points that are suspended, "
            "vacant or cut off.**"
        ),
        "",
        f"![precision, recall and delay by kind](pictures/{path.stem}.svg)",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'|'.join(['---'] + ['---:'] * (len(COLUMNS) - 1))}|",
        *(f"| {' | '.join(row)} |" for row in rows_of(card)),
        "",
        (
            "Season columns: recall / precision. An event is a labelled fault at a point; an alert is right where it "
            "names the event's kind at its point and their times touch. The delay runs from the beginning of an event "
            "to the end of the day on which the rule had seen enough. A day is in season where it is cold and half of "
            "the area's points use heat."
        ),
        "",
        "What is left and what less data costs: [scorecard-inputs.md](scorecard-inputs.md).",
        "",
        "## Measuring your own",
        "",
        "```",
        "heatbook assess --scorecard DIR                        # points, meters, readings, weather and labels.csv",
        "heatbook assess --scorecard season --meters 2500 --seed 7 --seed 8 --cases cases.csv",
        "```",
        "",
        (
            "`labels.csv` has the columns `point,kind,from,to` (and `fault`, if you like): `kind` is an alert kind, or "
            "`none` for something harmless; an empty `to` is a fault that nobody has mended. `--cases` lists "
            "every missed event and every false alert with its explanation."
        ),
        "",
    ]
    return "\n".join(lines)


def plot(card: Scorecard) -> str:
    """The picture as SVG text: a row a kind, precision and recall from 0 to 1, the median delay in days."""
    rows = [*card.kinds.items(), (OVERALL, card.total)]
    height = TOP + ROW * len(rows) + 30
    longest = max((score.delay_days for _, score in rows if score.delays_days), default=1.0) or 1.0
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
            'font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *_legend(),
    ]
    for number, (kind, score) in enumerate(rows):
        top = TOP + ROW * number
        parts.append(f'<text x="{LEFT - 8}" y="{top + 15}" text-anchor="end">{escape(kind)}</text>')
        for place, name in enumerate(FLOORS):
            share = getattr(score, name)
            if share == share:
                parts.append(_bar(LEFT, top + 3 + 9 * place, BAR * share, FLOORS[name][1]))
                parts.append(_small(LEFT + BAR * share + 4, top + 11 + 9 * place, f"{share:.2f}"))
        if score.delays_days:
            length = DELAY_BAR * score.delay_days / longest
            parts.append(_bar(DELAY_LEFT, top + 6, length, "#8a8a8a"))
            parts.append(_small(DELAY_LEFT + length + 4, top + 14, f"{score.delay_days:.1f}"))
    bottom = TOP + ROW * len(rows)
    for floor, colour in FLOORS.values():
        x = LEFT + BAR * floor
        parts.append(f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}" stroke="{colour}" stroke-dasharray="3 3"/>')
    parts.append("</svg>\n")
    return "\n".join(parts)


def _legend() -> list[str]:
    texts = []
    for place, (name, (floor, colour)) in enumerate(FLOORS.items()):
        x = LEFT + 150 * place
        texts.append(_bar(x, 16, 12, colour))
        texts.append(f'<text x="{x + 18}" y="24">{name} (floor {floor:.2f})</text>')
    texts.append(f'<text x="{DELAY_LEFT}" y="24">median delay, days</text>')
    return texts


def _bar(x: float, y: float, width: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="8" fill="{colour}"/>'


def _small(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="9" fill="#555">{text}</text>'
