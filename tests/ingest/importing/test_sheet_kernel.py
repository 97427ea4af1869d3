"""The compiled reader of cells against expat, its plain twin: it says the same or leaves the fragment alone."""

import random
from collections.abc import Callable
from xml.parsers.expat import ExpatError

import pyarrow as pa
import pytest

from ingest.importing.sheet_xml import CellReader, Cells

LARGE = 1 << 30
SEEDS = range(12)
TEXTS = ["", "7", "0.25", "中文", "a>b", "x &amp; y", "a\rb", "  "]
FORMULAS = ["", "", "", "<f>A1&lt;2</f>", '<f t="shared" si="1"/>', '<f ref="A1:B2">A1</f>', "<f></f>"]


def _cell(random_: random.Random, row: int, column: int) -> str:
    """A cell as one of many programs may write it, most of them as spreadsheets do."""
    place = f"{'ABCDEFGHIJ'[column]}{row}"
    attributes = [f'r="{place}"', f's="{random_.randrange(40)}"', 'm:r="Z9"', 'cm="1"']
    attributes = [attributes[0], *random_.sample(attributes[1:], random_.randrange(3))]
    kind = random_.choice(["n", "", "s", "str", "inlineStr", "b", "e", "d"])
    attributes += [f't="{kind}"'] if kind else []
    if random_.random() < 0.2:
        random_.shuffle(attributes)
    text = random_.choice(
        ["", "7", "0.25", "中文", "a>b", "x &amp; y", "a\rb", "  "] if random_.random() < 0.1 else ["7", "12.5"]
    )
    formula = random_.choice(
        ["", "", "", "<f>A1&lt;2</f>", '<f t="shared" si="1"/>', '<f ref="A1:B2">A1</f>', "<f></f>"]
    )
    if kind == "inlineStr":
        content = random_.choice([f"<is><t>{text}</t></is>", f'<is><t xml:space="preserve">{text}</t></is>'])
        content = content if random_.random() < 0.98 else f"<is><r><t>{text}</t></r><r><t>!</t></r></is>"
    else:
        content = random_.choice([f"<v>{text}</v>"] * 6 + ["", "<v/>", f"<v ><!-- -->{text}</v>"])
    tag = " ".join(attributes)
    if not content and not formula and random_.random() < 0.5:
        return f"<c {tag}/>"
    return f"<c {tag}>{formula}{content}</c>"


def sheet_rows(seed: int) -> list[str]:
    """Fragments of some rows each."""
    random_, row, found = random.Random(seed), 1, []
    for _ in range(60):
        lines = []
        for _ in range(random_.randrange(4)):
            row += random_.choice([1, 1, 1, 5])
            columns = sorted(random_.sample(range(10), random_.randrange(10)))
            cells = "".join(_cell(random_, row, column) for column in columns)
            told = random_.choice([f' r="{row}" spans="1:9"', f' r="{row}"', f' ht="15" r="{row}"'])
            lines.append(f"<row{told}>{cells}</row>" if cells else f"<row{told}/>")
        found.append("".join(lines))
    return found


def told(cells: Cells) -> list[list[object]]:
    columns = (cells.column, cells.row, cells.style, cells.kind)
    return [*(column.tolist() for column in columns), cells.contents.to_pylist()]


@pytest.mark.parametrize("seed", SEEDS)
def test_both_readers_find_the_same_cells(seed: int) -> None:
    quick, plain = CellReader(LARGE), CellReader(0)
    for fragment in sheet_rows(seed):
        assert told(quick.cells(fragment.encode())) == told(plain.cells(fragment.encode())), fragment


def test_what_spreadsheets_write_is_left_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("expat was needed")

    monkeypatch.setattr("ingest.importing.sheet_xml._Walk", never)
    fragment = (
        '<row r="7" spans="1:6" x14ac:dyDescent="0.25"><c r="A7" t="s"><v>12</v></c><c r="B7" s="3"><v>45931.25</v></c>'
        '<c r="C7" s="3"/><c r="AA7" t="str"><f>LEFT(A1,2)&amp;"x"</f><v>K</v></c><c r="AB7"><f>A1</f></c></row>'
        '<row r="8"/><row r="9"><c r="A9" t="inlineStr"><is><t xml:space="preserve"> 中 </t></is></c></row>'
    )
    assert told(CellReader(LARGE).cells(fragment.encode())) == [
        [1, 2, 3, 27, 28, 1], [7, 7, 7, 7, 7, 9], [0, 3, 3, 0, 0, 0],
        [ord("s"), ord("n"), ord("n"), ord("T"), ord("n") + 128, ord("T")], ["12", "45931.25", "", "K", "", " 中 "],
    ]  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_fragments_never_read_as_something_else(seed: int) -> None:
    random_ = random.Random(seed)
    damages: list[Callable[[bytes, int], bytes]] = [
        lambda text, at: text[:at],
        lambda text, at: text[:at] + bytes([random_.randrange(1, 256)]) + text[at + 1 :],
        lambda text, at: text[:at] + text[at + random_.randrange(1, 9) :],
        lambda text, at: text[:at] + random_.choice([b"<", b">", b'"', b"'", b"/", b" ", b"&#65;", b"<c"]) + text[at:],
    ]
    for fragment in sheet_rows(seed):
        text = fragment.encode()
        for _ in range(12 if text else 0):
            broken = random_.choice(damages)(text, random_.randrange(len(text)))
            try:
                expected = told(CellReader(0).cells(broken))
            except (ExpatError, ValueError):
                # What is no XML at all may be refused or read as far as it goes, in any case without harm.
                try:
                    CellReader(LARGE).cells(broken)
                except (ExpatError, ValueError, pa.ArrowInvalid):
                    continue
            else:
                assert told(CellReader(LARGE).cells(broken)) == expected, broken
