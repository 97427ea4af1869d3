"""The cells of a large sheet taken apart by compiled code: bytes in, arrays filled.

Rules: it knows rows, cells, formulas and contents as spreadsheets write them nearly always, in any order of attributes;
at anything else (entities, comments, formatted text, cells without a place) it gives up, and expat reads the fragment
(`ingest.importing.sheet_xml`, which is its plain twin). It never reads beyond the fragment.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from ingest.importing.sheet_xml import NUMBER, TEXT_AT, TEXT_HERE, TRUTH, UNCALCULATED

F = TypeVar("F", bound=Callable[..., Any])
Bytes = NDArray[np.uint8]

UNUSUAL: Final = -1


def _word(text: bytes) -> Bytes:
    return np.frombuffer(text, np.uint8)


_ROW, _ROW_END, _CELL, _CELL_END = _word(b"<row"), _word(b"</row>"), _word(b"<c"), _word(b"</c>")
_FORMULA, _FORMULA_END, _VALUE, _VALUE_END = _word(b"<f"), _word(b"</f>"), _word(b"<v"), _word(b"</v>")
_INLINE, _INLINE_END, _TEXT, _TEXT_END = _word(b"<is>"), _word(b"</is>"), _word(b"<t"), _word(b"</t>")
_LESS, _MORE, _SLASH, _QUOTE, _APOSTROPHE, _EQUALS, _AND, _RETURN = (ord(letter) for letter in "<>/\"'=&\r")
_A, _Z, _0, _9, _SPACE, _R, _S, _T = (ord(letter) for letter in "AZ09 rst")


def compiled(function: F) -> F:
    """`function` compiled at its first call and kept in the cache for the next process."""
    return cast(F, numba.njit(nogil=True, cache=True, error_model="numpy")(function))


@compiled
def _stands(at: int, word: Bytes, text: Bytes) -> bool:
    if at < 0 or at + len(word) > len(text):
        return False
    for step in range(len(word)):  # noqa: SIM110 - no generators in compiled code
        if text[at + step] != word[step]:
            return False
    return True


@compiled
def _opens(at: int, word: Bytes, text: Bytes) -> bool:
    """Whether an element of that name begins here, not one whose name begins alike."""
    after = at + len(word)
    return _stands(at, word, text) and after < len(text) and text[after] in (_SPACE, _MORE, _SLASH)


@compiled
def _next(at: int, wanted: int, text: Bytes) -> int:
    while at < len(text) and text[at] != wanted:
        at += 1
    return at


@compiled
def _tag_end(at: int, text: Bytes) -> int:
    """Where the > of the tag is whose < is at `at`; behind the end where it has none, or something unusual in it."""
    quoted = False
    at += 1
    while at < len(text):
        letter = text[at]
        if letter == _QUOTE:
            quoted = not quoted
        elif letter in (_LESS, _AND):
            break
        elif not quoted:
            if letter == _MORE:
                return at
            if letter < _SPACE or letter == _APOSTROPHE:
                break
            if letter == _EQUALS and (text[at - 1] == _SPACE or at + 1 == len(text) or text[at + 1] != _QUOTE):
                break
        at += 1
    return len(text)


@compiled
def _attribute(name: int, at: int, end: int, text: Bytes) -> tuple[int, int]:
    """Where the value of an attribute of one letter is in a tag; (0, 0) where there is none."""
    quoted = False
    while at + 3 < end:
        if text[at] == _QUOTE:
            quoted = not quoted
        elif not quoted and text[at] == _SPACE and text[at + 1] == name and text[at + 2] == _EQUALS:
            start = at + 4
            return start, min(_next(start, _QUOTE, text), end)
        at += 1
    return 0, 0


@compiled
def _number(start: int, end: int, text: Bytes) -> int:
    """Digits as a number; -1 where there are none, or too many for a row."""
    if start == end or end - start > 7:
        return -1
    number = 0
    for at in range(start, end):
        if not _0 <= text[at] <= _9:
            return -1
        number = 10 * number + (text[at] - _0)
    return number


@compiled
def _kind(start: int, end: int, text: Bytes) -> int:
    if start == end:
        return NUMBER
    if end - start == 1 and (text[start] == TEXT_AT or text[start] == NUMBER or text[start] == TRUTH):
        return int(text[start])
    return TEXT_HERE


@compiled
def _content(at: int, text: Bytes) -> tuple[int, int, int]:
    """(start, end, behind) of what <v> or <is><t> at `at` holds; `behind` is UNUSUAL where it is something else."""
    inline = _stands(at, _INLINE, text)
    if inline:
        at += len(_INLINE)
    if not _opens(at, _TEXT if inline else _VALUE, text):
        return 0, 0, UNUSUAL
    start = _tag_end(at, text) + 1
    if start > len(text) or text[start - 2] == _SLASH:
        return 0, 0, start if start <= len(text) and not inline else UNUSUAL
    end = start
    while end < len(text) and text[end] != _LESS:
        if text[end] == _AND or text[end] == _RETURN:
            return 0, 0, UNUSUAL
        end += 1
    if not _stands(end, _TEXT_END if inline else _VALUE_END, text):
        return 0, 0, UNUSUAL
    behind = end + len(_VALUE_END)
    if inline:
        behind = behind + len(_INLINE_END) if _stands(behind, _INLINE_END, text) else UNUSUAL
    return start, end, behind


@compiled
def _behind_formula(at: int, text: Bytes) -> int:
    end = _tag_end(at, text)
    if end == len(text) or text[end - 1] == _SLASH:
        return end + 1
    end = _next(end, _LESS, text)
    return end + len(_FORMULA_END) if _stands(end, _FORMULA_END, text) else UNUSUAL


@compiled
def _place(start: int, end: int, text: Bytes) -> tuple[int, int]:
    """Column and row of "AB12"; a column of 0 where it is none."""
    column, at = 0, start
    while at < end and at - start < 3 and _A <= text[at] <= _Z:
        column = 26 * column + (text[at] - _A + 1)
        at += 1
    row = _number(at, end, text)
    return (column, row) if row >= 0 else (0, 0)


@compiled
def _told(at: int, end: int, text: Bytes) -> tuple[int, int, int, int]:
    """Column, row, style and type that a cell's tag says."""
    start, stop = _attribute(_R, at, end, text)
    column, row = _place(start, stop, text)
    start, stop = _attribute(_S, at, end, text)
    style = _number(start, stop, text) if stop else 0
    start, stop = _attribute(_T, at, end, text)
    return column, row, style, _kind(start, stop, text)


@compiled
def _body(end: int, text: Bytes) -> tuple[int, int, int, bool]:
    """(start, end) of a cell's content, what comes behind the cell, and whether it has a formula; UNUSUAL as above."""
    if text[end - 1] == _SLASH:
        return 0, 0, end + 1, False
    start, stop, at = 0, 0, end + 1
    formula = _opens(at, _FORMULA, text)
    if formula:
        at = _behind_formula(at, text)
    if not _stands(at, _CELL_END, text):
        start, stop, at = _content(at, text)
    return start, stop, at + len(_CELL_END) if _stands(at, _CELL_END, text) else UNUSUAL, formula


@compiled
def cells_in(
    text: Bytes, row: int, column_of: NDArray[np.int32], row_of: NDArray[np.int64], style_of: NDArray[np.int32],
    kind_of: Bytes, ends: NDArray[np.int32], contents: Bytes,
) -> tuple[int, int]:  # fmt: skip
    """Take a fragment apart.

    Parameters
    ----------
    text : (n,) whole rows. row : the row before them.
    column_of, row_of, style_of, kind_of : (m,) filled with one item a cell, columns counted from 1.
    ends : (m + 1,) filled with where each content ends in `contents` (n,), which is filled too; the first item is 0.

    Returns
    -------
    How many cells there are, UNUSUAL where another reader is needed; and the last row.
    """
    at, count, filled = 0, 0, 0
    ends[0] = 0
    while at < len(text):
        if _stands(at, _ROW_END, text):
            at += len(_ROW_END)
            continue
        end = _tag_end(at, text)
        if _opens(at, _ROW, text):
            start, stop = _attribute(_R, at, end, text)
            row = _number(start, stop, text) if stop else row + 1
            if row < 0 or end == len(text):
                return UNUSUAL, row
            at = end + 1
            continue
        if end == len(text) or not _opens(at, _CELL, text):
            return UNUSUAL, row
        column, own_row, style, kind = _told(at, end, text)
        start, stop, at, formula = _body(end, text)
        if column == 0 or style < 0 or at < 0:
            return UNUSUAL, row
        if formula and start == stop and kind != TEXT_HERE:
            kind |= UNCALCULATED
        column_of[count], row_of[count], style_of[count], kind_of[count] = column, own_row, style, kind
        for step in range(start, stop):
            contents[filled] = text[step]
            filled += 1
        count += 1
        ends[count] = filled
    return count, row
