"""Excel workbooks as many programs write them: cells, styles, sheets, and what is refused before memory is full."""

import zipfile
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ingest.errors import InvalidInputError
from ingest.importing.files import batches, row_count

_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_LISTED = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
_SHARED = ["serial", "value", "time", "00123", " KAM\n"]
# Numbers of styles: 0 plain, 1 date and time, 2 hours beyond a day, 3 a Chinese date, 4 a format of the workbook's own.
_STYLES = (
    '<styleSheet><numFmts count="1"><numFmt numFmtId="176" formatCode="yyyy\\-mm\\-dd\\ hh:mm;@"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/><xf numFmtId="46"/>'
    '<xf numFmtId="31"/><xf numFmtId="176"/></cellXfs></styleSheet>'
)
HEADER = '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c></row>'

Write = Callable[..., Path]


def _relation(name: str, kind: str, target: str) -> str:
    return f'<Relationship Id="{name}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A workbook of one sheet whose XML is given: rows after a header of serial, value and time, or parts as named."""

    def write_book(rows: str = "", *, date1904: bool = False, **parts: str | bytes) -> Path:
        texts = "".join(f'<si><t xml:space="preserve">{text}</t></si>' for text in _SHARED)
        day_zero = '<workbookPr date1904="1"/>' if date1904 else ""
        told: dict[str, str | bytes] = {
            "_rels/.rels": _LISTED.format(_relation("r1", "officeDocument", "xl/workbook.xml")),
            "xl/_rels/workbook.xml.rels": _LISTED.format(
                _relation("r7", "worksheet", "worksheets/sheet1.xml")
                + _relation("r2", "worksheet", "/xl/worksheets/other.xml")
                + _relation("r3", "sharedStrings", "sharedStrings.xml")
                + _relation("r4", "styles", "styles.xml")
            ),
            "xl/workbook.xml": f'<workbook xmlns:r="{_RELATIONS}">{day_zero}<sheets><sheet name="a" r:id="r7"/>'
            '<sheet name="b" r:id="r2"/></sheets></workbook>',
            "xl/sharedStrings.xml": f"<sst>{texts}</sst>",
            "xl/styles.xml": _STYLES,
            "xl/worksheets/sheet1.xml": f"<worksheet><sheetData>{HEADER}{rows}</sheetData></worksheet>",
            "xl/worksheets/other.xml": "<worksheet><sheetData/></worksheet>",
        }
        told |= {{"sheet": "xl/worksheets/sheet1.xml", "texts": "xl/sharedStrings.xml", "book": "xl/workbook.xml",
                  "styles": "xl/styles.xml"}[name]: text for name, text in parts.items()}  # fmt: skip
        path = tmp_path / "book.xlsx"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
            for name, text in told.items():
                book.writestr(name, text)
        return path

    return write_book


def rows_of(path: Path, refused: list[Any] | None = None) -> dict[int, tuple[str | None, ...]]:
    """Rows by the number that a spreadsheet shows beside them."""
    found: dict[int, tuple[str | None, ...]] = {}
    told = refused if refused is not None else []
    for batch in batches(path, required=(), refuse=lambda row, fault: told.append((row, fault))):
        lines = zip(*(column.to_pylist() for column in batch.table.columns), strict=True)
        found |= dict(zip(batch.numbers.tolist(), lines, strict=True))
    return found


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ('<c r="B2"><v>0.1</v></c>', "0.1"),
        ('<c r="B2"><v>1234.5599999999999</v></c>', "1234.56"),
        ('<c r="B2"><v>1.1000000000000001</v></c>', "1.1"),
        ('<c r="B2"><v>1.2345678E7</v></c>', "12345678"),
        ('<c r="B2" t="n"><v>80.50</v></c>', "80.5"),
        ('<c r="B2"><v>12345678901234567</v></c>', "12345678901234567"),
        ('<c r="B2"><v>007</v></c>', "7"),
        ('<c r="B2"><v>twelve</v></c>', "twelve"),
        ('<c r="B2" t="s"><v>3</v></c>', "00123"),
        ('<c r="B2" t="s"><v>4</v></c>', "KAM"),
        ('<c r="B2" t="str"><v> A &amp; B </v></c>', "A & B"),
        ('<c r="B2" t="inlineStr"><is><t>00<!-- zeros -->7</t></is></c>', "007"),
        ('<c r="B2" t="inlineStr"><is><r><rPr/><t>fl</t></r><r><t>at</t></r><rPh><t>no</t></rPh></is></c>', "flat"),
        ('<c r="B2" t="b"><v>1</v></c>', "True"),
        ('<c r="B2" t="e"><v>#N/A</v></c>', "#N/A"),
        ('<c r="B2"><f>1+1</f><v>2</v></c>', "2"),
        ('<c r="B2" t="str"><f t="shared" si="0"/><v>x</v></c>', "x"),
        ('<c r="B2" s="1"><v>45931.336805555555</v></c>', "2025-10-01 08:05:00"),
        ('<c r="B2" s="1"><v>45931.336805613428</v></c>', "2025-10-01 08:05:00.005"),
        ('<c r="B2" s="3"><v>45931</v></c>', "2025-10-01 00:00:00"),
        ('<c r="B2" s="4"><v>45931</v></c>', "2025-10-01 00:00:00"),
        ('<c r="B2" s="1"><v>59</v></c>', "1900-02-28 00:00:00"),
        ('<c r="B2" s="1"><v>0.25</v></c>', "06:00:00"),
        ('<c r="B2" s="1"><v>-3</v></c>', "-3"),
        ('<c r="B2" s="2"><v>1.5</v></c>', "1 day, 12:00:00"),
        ('<c r="B2" t="d"><v>2025-10-01T08:00:00</v></c>', "2025-10-01T08:00:00"),
    ],
)  # fmt: skip
def test_a_cell_reads_as_the_spreadsheet_shows_it(write: Write, cell: str, shown: str) -> None:
    path = write(f'<row r="2"><c r="A2" t="s"><v>3</v></c>{cell}</row>')
    assert rows_of(path) == {2: ("00123", shown, None)}


def test_a_column_may_mix_texts_numbers_and_dates(write: Write) -> None:
    path = write(
        '<row r="2"><c r="B2"><v>5</v></c></row><row r="3"><c r="B3" t="s"><v>3</v></c></row>'
        '<row r="4"><c r="B4" s="1"><v>45931</v></c></row><row r="5"><c r="B5" t="str"><v>x</v></c></row>'
        '<row r="6"><c r="A6"/><c r="B6"><v>0.5</v></c></row>'
    )
    assert [row[1] for row in rows_of(path).values()] == ["5", "00123", "2025-10-01 00:00:00", "x", "0.5"]


def test_workbooks_of_apple_count_days_from_1904(write: Write) -> None:
    rows = '<row r="2"><c r="B2" s="1"><v>44469.25</v></c></row><row r="3"><c r="B3" s="1"><v>1</v></c></row>'
    assert rows_of(write(rows, date1904=True)) == {
        2: (None, "2025-10-01 06:00:00", None), 3: (None, "1904-01-02 00:00:00", None)
    }  # fmt: skip


def test_rows_keep_the_number_that_the_sheet_gives_them(write: Write) -> None:
    path = write(
        '<row r="4"><c r="A4"><v>1</v></c></row><row r="9" ht="15"/><row><c><v>2</v></c><c/><c><v>3</v></c></row>'
        '<row r="700000"><c r="A700000"><v>4</v></c><c r="ZZ700000"><v>5</v></c></row>'
    )
    assert rows_of(path) == {4: ("1", None, None), 10: ("2", None, "3"), 700000: ("4", None, None)}


def test_a_formula_without_a_value_is_refused_where_its_column_counts(write: Write) -> None:
    path = write(
        '<row r="2"><c r="A2"><v>1</v></c><c r="B2"><f>1+1</f></c></row>'
        '<row r="3"><c r="A3"><v>2</v></c><c r="E3"><f>1+1</f><v/></c></row>'
        '<row r="4"><c r="A4"><v>3</v></c><c r="B4" t="str"><f>""</f><v></v></c></row>'
    )
    refused: list[Any] = []
    assert rows_of(path, refused) == {3: ("2", None, None), 4: ("3", None, None)}
    assert [row for row, _ in refused] == [2]
    assert "never calculated" in refused[0][1]


def test_prefixes_and_other_attributes_change_nothing(write: Write) -> None:
    sheet = (
        '<?xml version="1.0"?>\r\n<x:worksheet xmlns:x="strict" xmlns:m="more"><x:dimension ref="A1:B3"/>'
        '<x:sheetData m:y="/">\n<x:row m:r="7" r="1" spans="1:2">\n<x:c s="0" t="inlineStr" r="A1"><x:is>'
        '<x:t>serial</x:t></x:is></x:c></x:row><x:row r="2"><x:c m:r="B9" r=\'A2\' t="str"><x:v>7</x:v></x:c></x:row>'
        '<x:row r="3"><x:c t="s" r="A3"><x:v>3</x:v></x:c></x:row></x:sheetData><x:c r="A4"><x:v>9</x:v></x:c>'
        "</x:worksheet>"
    )
    path = write(sheet=sheet)
    assert rows_of(path) == {2: ("7",), 3: ("00123",)}
    assert row_count(path) == 2


def test_the_first_sheet_is_the_one_that_the_workbook_names_first(write: Write) -> None:
    book = (
        f'<workbook xmlns:q="{_RELATIONS}"><sheets><sheet name="picture" q:id="r4"/><sheet name="b" q:id="r2"/>'
        '<sheet name="a" q:id="r7"/></sheets></workbook>'
    )
    with pytest.raises(InvalidInputError, match="first row is empty"):
        rows_of(write('<row r="2"><c r="A2"><v>1</v></c></row>', book=book))


def test_texts_with_markup_entities_and_pronunciation_are_texts(write: Write) -> None:
    texts = (
        '<sst xmlns="http://main/"><si><t>serial</t><phoneticPr fontId="1" type="noConversion"/></si><si><t/></si>'
        "<si><r><t>va</t></r><r><t>lue</t></r><rPh sb='0'><t>no</t></rPh></si>"
        "<si><t>A &lt; 中&#x6587;</t></si><si/></sst>"
    )
    rows = '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c></row>'
    more = '<row r="2"><c r="A2" t="s"><v>3</v></c><c r="C2" t="s"><v>4</v></c></row>'
    path = write(texts=texts, sheet=f"<worksheet><sheetData>{rows}{more}</sheetData></worksheet>")
    assert [batch.table.to_pylist() for batch in batches(path, required=())] == [
        [{"serial": "A < 中文", "value": None}]
    ]


@pytest.mark.parametrize(
    "sheet",
    [
        "<worksheet><sheetData/></worksheet>",
        '<worksheet><sheetData><row r="3"><c r="A3" t="s"><v>0</v></c></row></sheetData></worksheet>',
        '<worksheet><sheetData><row r="1"><c r="A1"/></row></sheetData></worksheet>',
        '<worksheet><sheetData><row r="1"><c r="A1"><f>B1</f></c></row></sheetData></worksheet>',
    ],
)
def test_a_sheet_without_names_of_columns_is_refused(write: Write, sheet: str) -> None:
    with pytest.raises(InvalidInputError, match="first row is empty"):
        rows_of(write(sheet=sheet))


_LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"sheet": "<worksheet/>"}, "lacks its sheetData"),
        ({"sheet": f"<worksheet><sheetData>{HEADER}<row"}, "ends in the middle of its sheetData"),
        ({"sheet": f"{_LAUGHS}<w><sheetData>{HEADER}<row><c><v>&b;</v></c></row></sheetData></w>"}, "entity"),
        ({"texts": f"{_LAUGHS}<sst><si><t>&b;</t></si></sst>"}, "entity"),
        ({"styles": f"{_LAUGHS}<styleSheet>&b;</styleSheet>"}, "declares a document type"),
        ({"book": f"{_LAUGHS}<workbook>&b;</workbook>"}, "declares a document type"),
        ({"book": "<workbook/>"}, "has no sheet"),
        ({"texts": b"<sst>" + 3 * b"<si><t>\xff\xfe</t></si>" + b"</sst>"}, "was not a utf8 string"),
        ({"rows": '<row r="99999999"><c/></row>'}, "no number of a row"),
        ({"rows": '<row r="2"><c r="a2"><v>1</v></c></row>'}, "no place of a cell"),
        ({"rows": '<row r="2"><c r="A2" t="s"><v>5</v></c></row>'}, "text 5 where the workbook has 5"),
        ({"rows": f"<row>{'<c/>' * 16_385}</row>"}, "more than 16384 columns"),
        ({"rows": '<row r="2"><c r="A2"></row>'}, "damaged: mismatched tag"),
        ({"rows": f'<row r="2">{" " * 6_000_000}</row>'}, "row of the workbook has more than 4 MB"),
        ({"styles": bytes(65_000_000)}, "65 MB unpacked where 64 are allowed: save the sheet as CSV"),
    ],
)  # fmt: skip
def test_a_workbook_that_is_none_or_a_trap_is_refused_with_the_reason(
    write: Write, parts: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        rows_of(write(**parts))


@pytest.mark.parametrize(
    ("part", "megabytes", "allowed"),
    [("xl/sharedStrings.xml", 513, "512"), ("xl/worksheets/sheet1.xml", 4_097, "4,096")],
)
def test_a_part_that_would_not_fit_is_refused_before_it_is_opened(
    write: Write, part: str, megabytes: int, allowed: str
) -> None:
    path = write()
    with zipfile.ZipFile(path, "a") as book:
        book.getinfo(part).file_size = megabytes * 1_000_000
        book.writestr("written last", "so that the list of parts is written again")
    with pytest.raises(InvalidInputError, match=f"{megabytes:,} MB unpacked where {allowed} are allowed"):
        rows_of(path)


def test_a_part_that_is_encrypted_is_refused(write: Write) -> None:
    path = write()
    with zipfile.ZipFile(path, "a") as book:
        book.getinfo("xl/worksheets/sheet1.xml").flag_bits |= 1
        book.writestr("written last", "so that the list of parts is written again")
    with pytest.raises(InvalidInputError, match=r"sheet1\.xml of this workbook cannot be opened: .*encrypted"):
        rows_of(path)


def test_a_long_text_in_many_cells_is_refused_before_it_fills_the_memory(write: Write) -> None:
    texts = f"<sst><si><t>serial</t></si><si><t>value</t></si><si><t>{'x' * 30_000}</t></si></sst>"
    cells = "".join(f'<row r="{row}"><c r="A{row}" t="s"><v>2</v></c></row>' for row in range(2, 5_000))
    with pytest.raises(InvalidInputError, match="longer texts than any list of meters"):
        rows_of(write(cells, texts=texts))


def test_workbooks_that_are_damaged_or_locked_are_refused_with_the_way_out(write: Write, tmp_path: Path) -> None:
    path = write('<row r="2"><c r="A2"><v>1</v></c></row>' * 50)
    whole = path.read_bytes()
    at = whole.index(b"xl/worksheets/sheet1.xml") + 60
    path.write_bytes(whole[:at] + bytes(20) + whole[at + 20 :])
    with pytest.raises(InvalidInputError, match=r"damaged|Bad CRC"):
        rows_of(path)
    path.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600))
    with pytest.raises(InvalidInputError, match=r"with a password: save it as \.xlsx"):
        rows_of(path)


def test_what_openpyxl_writes_reads_as_it_shows(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    lines = [
        ("a", "b", "c"),
        (1.5, "x & <y>", datetime.fromisoformat("2025-10-01T08:05")),
        (None, "001", date(2025, 10, 1)),
        (10**14, True, time(8, 5)),
        (2e-7, "\u4e2d\n文", None),
    ]
    for line in lines:
        book.active.append(line)
    book.create_sheet("other").append(["nothing"])
    book.save(tmp_path / "book.xlsx")
    assert rows_of(tmp_path / "book.xlsx") == {
        2: ("1.5", "x & <y>", "2025-10-01 08:05:00"),
        3: (None, "001", "2025-10-01 00:00:00"),
        4: ("100000000000000", "True", "08:05:00"),
        5: ("2e-7", "\u4e2d\n文", None),
    }
