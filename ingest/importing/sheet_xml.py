"""The XML of sheets and shared texts, a piece at a time: cells as they are written, and texts without markup.

Rules: expat reads any XML that says the same; what spreadsheets write nearly always is taken apart by quicker means,
which know nothing else and leave it alone. Pieces end where a row ends and stand alone, so that no declaration of an
entity ever reaches a parser.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from xml.parsers import expat

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# Types of cells as one byte: a reference to a shared text, a text in the cell itself, a number, a truth value.
TEXT_AT, TEXT_HERE, NUMBER, TRUTH = (ord(letter) for letter in "sTnb")
# Added to the type of a formula that has no value.
UNCALCULATED: Final = 128

PIECE_BYTES: Final = 1 << 20
# A row of a meter list has some hundred bytes. One longer than this holds no table, and a piece stays small.
_LONGEST: Final = 4_000_000
# Where the rows begin at the latest: after views and widths of columns.
_LONGEST_HEAD: Final = 16_000_000
_MOST_COLUMNS: Final = 16_384
# Chinese and Japanese spreadsheets say of every text that nothing is known of its pronunciation.
_TEXT = re.compile(rb"<si><t[^<>/]*(?:/>|>([^<]*)</t>)(?:<phoneticPr[^<>]*/>)?</si>")
# Where the expression above would read something else than XML says, or miss a text.
_UNUSUAL: Final = (b"&", b"<!", b"<?", b"\r", b":si>")
# Below this expat is done before compiled code is loaded.
_LARGE: Final = 16_000_000
# Types of cells by how a sheet writes them; whatever else there may be is taken for text.
_KINDS: Final = {"s": TEXT_AT, "n": NUMBER, "b": TRUTH}
_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


def fragments(pieces: Iterator[bytes], container: bytes, item: bytes) -> Iterator[bytes]:
    """The items (rows, texts) of a part, as many whole ones at a time as a piece brings; without prefixes.

    Raises
    ------
    ValueError
        The part lacks the container or ends in the middle, or an item is longer than any spreadsheet's.
    """
    prefix, rest = _beginning(pieces, container)
    if rest is None:
        return
    ending, end = b"</" + prefix + item + b">", b"</" + prefix + container
    while (over := rest.find(end)) < 0:
        if (cut := rest.rfind(ending)) >= 0:
            cut += len(ending)
            yield _bare(rest[:cut], prefix)
            rest = rest[cut:]
        if len(rest) > _LONGEST:
            raise ValueError(f"a {item.decode()} of the workbook has more than {_LONGEST / 1e6:.0f} MB")
        piece = next(pieces, b"")
        if not piece:
            raise ValueError(f"the workbook ends in the middle of its {container.decode()}")
        rest += piece
    yield _bare(rest[:over], prefix)


def _beginning(pieces: Iterator[bytes], container: bytes) -> tuple[bytes, bytes | None]:
    """The container's prefix and the beginning of its content; None where it is empty."""
    opening = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?)" + container + rb"(?:\s[^<>]*?)?(/)?>")
    head = b""
    for piece in pieces:
        head += piece
        if (found := opening.search(head)) is not None:
            return found[1], None if found[2] else head[found.end() :]
        if len(head) > _LONGEST_HEAD:
            break
    raise ValueError(f"a part of the workbook lacks its {container.decode()}")


def _bare(fragment: bytes, prefix: bytes) -> bytes:
    return fragment.replace(b"<" + prefix, b"<").replace(b"</" + prefix, b"</") if prefix else fragment


def texts_of(fragment: bytes) -> list[bytes]:
    """The texts of a fragment of shared texts."""
    found: list[bytes] = _TEXT.findall(fragment)
    if len(found) == fragment.count(b"<si") and not any(mark in fragment for mark in _UNUSUAL):
        return found
    walk = _Walk(0)
    walk.through(b"<sst>" + fragment + b"</sst>")
    return walk.texts


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells in their order, (n,) each: `column` from 1, `row`, `style`, `kind` (`sheet_kernel`), content without markup
    (`contents`, a pyarrow.StringArray)."""

    column: npt.NDArray[np.int32]
    row: npt.NDArray[np.int64]
    style: npt.NDArray[np.int32]
    kind: npt.NDArray[np.uint8]
    contents: Any

    def part(self, which: npt.NDArray[np.bool_]) -> "Cells":
        """Some of them."""
        contents = self.contents.filter(pa.array(which))
        return Cells(self.column[which], self.row[which], self.style[which], self.kind[which], contents)


class CellReader:
    """Takes the fragments of a sheet of `size` bytes one after the other."""

    def __init__(self, size: int) -> None:
        self._row = 0
        self._large = size >= _LARGE

    def cells(self, fragment: bytes) -> Cells:
        """The cells of a fragment.

        Raises
        ------
        ValueError
            It has more columns than a sheet, or a place that is none.
        """
        found = self._quickly(fragment) if self._large else None
        if found is None:
            walk = _Walk(self._row)
            walk.through(b"<sheetData>" + fragment + b"</sheetData>")
            self._row, found = walk.row, walk.cells()
        return found

    def _quickly(self, fragment: bytes) -> Cells | None:
        from ingest.importing.sheet_kernel import cells_in

        most = fragment.count(b"<c") + 1
        column, style = np.empty(most, np.int32), np.empty(most, np.int32)
        row, kind = np.empty(most, np.int64), np.empty(most, np.uint8)
        ends, text = np.empty(most + 1, np.int32), np.empty(len(fragment), np.uint8)
        count, last = cells_in(np.frombuffer(fragment, np.uint8), self._row, column, row, style, kind, ends, text)
        if count < 0:
            return None
        self._row = last
        contents = pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(text))
        contents.validate(full=True)
        return Cells(column[:count], row[:count], style[:count], kind[:count], contents)


class _Walk:
    """What expat tells of a fragment: any XML that says the same."""

    def __init__(self, row: int) -> None:
        self.row = row
        self._cells: list[tuple[int, int, int, int, str]] = []
        self.texts: list[bytes] = []
        self._column = 0
        self._place = (0, 0)
        self._style, self._kind = 0, NUMBER
        self._formula = False
        self._said: list[str] = []
        # Within <t> or <v>, and within the pronunciation of a text, which is none of it.
        self._listening = self._aside = False

    def through(self, fragment: bytes) -> None:
        """Walk once."""
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._hear
        parser.Parse(fragment, True)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        kind = name.rpartition(":")[2]
        if kind == "row":
            self.row = _natural(attributes.get("r", str(self.row + 1)))
            self._column = 0
        elif kind == "c":
            self._place = self._place_of(attributes.get("r"))
            self._style, self._kind = (
                _natural(attributes.get("s", "0")),
                _KINDS.get(attributes.get("t") or "n", TEXT_HERE),
            )
            self._formula, self._said = False, []
        elif kind == "si":
            self._said = []
        elif kind == "f":
            self._formula = True
        elif kind == "rPh":
            self._aside = True
        elif kind in ("t", "v"):
            self._listening = not self._aside

    def _end(self, name: str) -> None:
        kind = name.rpartition(":")[2]
        if kind == "c":
            content = "".join(self._said)
            open_ = UNCALCULATED if self._formula and not content and self._kind != TEXT_HERE else 0
            self._cells.append((*self._place, self._style, self._kind | open_, content))
        elif kind == "si":
            self.texts.append("".join(self._said).encode())
        elif kind == "rPh":
            self._aside = False
        elif kind in ("t", "v"):
            self._listening = False

    def cells(self) -> Cells:
        """What was met."""
        column, row, style, kind, contents = zip(*self._cells, strict=True) if self._cells else ((),) * 5
        return Cells(
            np.array(column, np.int32),
            np.array(row, np.int64),
            np.array(style, np.int32),
            np.array(kind, np.uint8),
            pa.array(contents, pa.string()),
        )

    def _hear(self, text: str) -> None:
        if self._listening:
            self._said.append(text)

    def _place_of(self, told: str | None) -> tuple[int, int]:
        """Column and row of a cell: as told, else the next of the row."""
        if told is None:
            self._column += 1
            if self._column > _MOST_COLUMNS:
                raise ValueError(f"row {self.row} has more than {_MOST_COLUMNS} columns")
            return self._column, self.row
        found = _PLACE.fullmatch(told)
        if found is None:
            raise ValueError(f"{told[:20]!r} is no place of a cell")
        self._column = 0
        for letter in found[1]:
            self._column = 26 * self._column + ord(letter) - ord("A") + 1
        return self._column, int(found[2])


def _natural(text: str) -> int:
    """A number of a row or a style."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 7):
        raise ValueError(f"{text[:20]!r} is no number of a row or a style")
    return int(text)
