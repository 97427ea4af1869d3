"""The parts of an Excel workbook: where its first sheet lies, the texts that cells share, which styles show dates.

Rules: a part is refused by its size before it is opened, and read piece by piece; no part may declare a document type,
so that no entity ever grows. Namespaces are not looked at: strict workbooks and those that write prefixes read alike.
"""

import posixpath
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingest.importing.sheet_xml import PIECE_BYTES, fragments, texts_of

# A full sheet of a million rows has some hundred megabytes; more is no spreadsheet but a trap.
_MOST_SHEET_MB: Final = 4_096
# Held in memory while the sheet is read, at about their size; a million rows of nothing but texts have less than half.
_MOST_TEXTS_MB: Final = 512
# Every other part: lists of sheets, of styles, of relations.
_MOST_REST_MB: Final = 64
_SHEET, _TEXTS, _STYLES = "/worksheet", "/sharedStrings", "/styles"
_OLE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
# Dates and times of East Asian workbooks, which name no format for them (ECMA-376-1, 18.8.30).
_EAST_ASIAN_DATES: Final = frozenset((*range(27, 37), *range(50, 59)))


@dataclass(frozen=True, slots=True)
class Styles:
    """What cells of a style show, by its number; `days_s`: seconds from 1970 to day 0 of the workbook."""

    dates: frozenset[int]
    spans: frozenset[int]
    days_s: int


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts that cells refer to. `texts`: (n,) strings; `sizes`: (n,) their bytes."""

    texts: Any  # pyarrow.StringArray or LargeStringArray
    sizes: npt.NDArray[np.int64]


@contextmanager
def opened(path: Path) -> Iterator["Workbook"]:
    """A workbook to read.

    Raises
    ------
    ValueError
        It is none, is damaged, is locked by a password, or a part of it is larger than allowed.
    """
    with path.open("rb") as file:
        if file.read(len(_OLE)) == _OLE:
            raise ValueError("an old .xls workbook or one with a password: save it as .xlsx without one, or as CSV")
    try:
        with zipfile.ZipFile(path) as book:
            yield Workbook(book)
    except (EOFError, zlib.error, expat.ExpatError) as error:
        raise ValueError(f"the workbook is damaged: {error}") from error
    except KeyError as error:
        raise ValueError(f"the workbook lacks a part: {error.args[0]}") from error


class Workbook:
    """An open workbook."""

    def __init__(self, book: zipfile.ZipFile) -> None:
        self._book = book
        top = self._related("", "/officeDocument")
        self._main = next(iter(top.values()), "xl/workbook.xml")
        self._sheets = self._related(self._main, _SHEET)

    @property
    def sheet_bytes(self) -> int:
        """Size of the first sheet."""
        return self._book.getinfo(self._sheet_part()).file_size

    def sheet(self) -> Iterator[bytes]:
        """The bytes of the first sheet, in pieces."""
        return self._pieces(self._sheet_part(), _MOST_SHEET_MB)

    def texts(self) -> Texts:
        """The texts that cells refer to by number."""
        chunks = [
            pc.utf8_trim_whitespace(pa.array(texts_of(fragment), pa.string()))
            for part in self._related(self._main, _TEXTS).values()
            for fragment in fragments(self._pieces(part, _MOST_TEXTS_MB), b"sst", b"si")
        ]
        size = sum(chunk.nbytes for chunk in chunks)
        kind = pa.string() if size < 2**31 else pa.large_string()
        texts = pa.concat_arrays([chunk.cast(kind) for chunk in chunks]) if chunks else pa.array([], kind)
        return Texts(texts, pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64))

    def styles(self) -> Styles:
        """What the styles of cells show."""
        from openpyxl.styles import numbers

        formats: dict[int, str] = dict(numbers.BUILTIN_FORMATS)
        used: list[int] = []
        section = ""

        def start(name: str, attributes: Mapping[str, str]) -> None:
            nonlocal section
            if name in ("cellXfs", "cellStyleXfs", "dxfs"):
                section = name
            elif name == "numFmt" and section != "dxfs":
                formats[int(attributes["numFmtId"])] = attributes.get("formatCode", "")
            elif name == "xf" and section == "cellXfs":
                used.append(int(attributes.get("numFmtId", 0)))

        for part in self._related(self._main, _STYLES).values():
            self._walk(part, start)
        spans = {number for number, code in formats.items() if numbers.is_timedelta_format(code)}
        dates = {number for number, code in formats.items() if numbers.is_date_format(code)} | _EAST_ASIAN_DATES
        return Styles(
            dates=frozenset(at for at, number in enumerate(used) if number in dates - spans),
            spans=frozenset(at for at, number in enumerate(used) if number in spans),
            days_s=self._day_zero_s(),
        )

    def _day_zero_s(self) -> int:
        first = np.datetime64("1899-12-30")

        def start(name: str, attributes: Mapping[str, str]) -> None:
            nonlocal first
            if name == "workbookPr" and attributes.get("date1904", "0") in ("1", "true", "on"):
                first = np.datetime64("1904-01-01")

        self._walk(self._main, start)
        return int(first.astype("datetime64[s]").astype(np.int64))

    def _sheet_part(self) -> str:
        order: list[str] = []

        def start(name: str, attributes: Mapping[str, str]) -> None:
            if name == "sheet":
                order.extend(value for key, value in attributes.items() if key.rpartition(":")[2] == "id")

        self._walk(self._main, start)
        found = [self._sheets[key] for key in order if key in self._sheets]
        if not found:
            raise ValueError("the workbook has no sheet")
        return found[0]

    def _related(self, part: str, kind: str) -> dict[str, str]:
        """Parts that another one refers to, by the name that it gives them."""
        folder, name = posixpath.split(part)
        listed = posixpath.join(folder, "_rels", f"{name}.rels")
        found: dict[str, str] = {}

        def start(name: str, attributes: Mapping[str, str]) -> None:
            if name == "Relationship" and attributes.get("Type", "").endswith(kind):
                target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", "")))
                found[attributes.get("Id", "")] = target.lstrip("/")

        if listed in self._book.namelist():
            self._walk(listed, start)
        return found

    def _walk(self, part: str, start: Callable[[str, Mapping[str, str]], None]) -> None:
        """Tell of every element of a part, by its name without a prefix."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = lambda name, attributes: start(name.rpartition(":")[2], attributes)
        parser.StartDoctypeDeclHandler = _no_document_type
        for piece in self._pieces(part, _MOST_REST_MB):
            parser.Parse(piece, False)
        parser.Parse(b"", True)

    def _pieces(self, part: str, most_mb: int) -> Iterator[bytes]:
        info = self._book.getinfo(part)
        if info.file_size > most_mb * 1_000_000:
            raise ValueError(
                f"the part {part} of this workbook has {info.file_size / 1e6:,.0f} MB unpacked where {most_mb:,} are"
                " allowed: save the sheet as CSV, which may be of any size"
            )
        try:
            file = self._book.open(info)
        except (RuntimeError, NotImplementedError) as error:  # encrypted, or packed in a way that Python does not know
            raise ValueError(f"the part {part} of this workbook cannot be opened: {error}") from error
        with file:
            while piece := file.read(PIECE_BYTES):
                yield piece


def _no_document_type(*_declared: object) -> None:
    raise ValueError("the workbook declares a document type, which no spreadsheet does")
