"""The detectors' scorecard as rows of text, the same on the terminal and on a page."""

from compute.scorecard import OVERALL, Score, Scorecard, total

COLUMNS = ("kind", "events", "found", "recall", "alerts", "right", "precision", "delay, d", "in season", "off season")


def share_of(value: float) -> str:
    """A share with three places; a dash where there is none."""
    return "–" if value != value else f"{value:.3f}"


def rows_of(card: Scorecard) -> list[tuple[str, ...]]:
    """The table, a row a kind and one for all: figures as people read them."""
    lines = []
    seasons = (card.in_season, card.off_season)
    for kind, score in (*card.kinds.items(), (OVERALL, card.total)):
        parts = [total(part) if kind == OVERALL else part.get(kind, Score()) for part in seasons]
        delay = score.delay_days
        lines.append(
            (
                kind, str(score.events), str(score.found), share_of(score.recall), str(score.alarms), str(score.right),
                share_of(score.precision), "–" if delay != delay else f"{delay:.1f}",
                *(f"{share_of(part.recall)} / {share_of(part.precision)}" for part in parts),
            )
        )  # fmt: skip
    return lines
