"""Integer counts as the decimal texts that a display would show: no exponent, no needless zeros, nothing rounded.

Rules: whole columns at once; a Decimal that is made, shifted and printed takes ten times as long.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc


def exact_texts(counts: Sequence[int | None], places: int) -> list[str | None]:
    """Texts of counts of the last of `places` decimal places (negative: of that power of ten); None stays None."""
    if not 0 < places <= 18:
        return [None if count is None else _text(count, places) for count in counts]
    try:
        column = pa.array(counts, type=pa.int64())
    except (OverflowError, pa.ArrowInvalid):
        return [None if count is None else _text(count, places) for count in counts]
    one = pa.scalar(10**places, pa.int64())
    size = pc.abs(column)
    whole = pc.divide(size, one)
    # Ten to the power of the places stands before the fraction, so that its zeros are printed; then it is cut off.
    rest = pc.add(pc.subtract(size, pc.multiply(whole, one)), one)
    fraction = pc.utf8_rtrim(pc.utf8_slice_codeunits(pc.cast(rest, pa.string()), 1), "0")
    text = pc.utf8_rtrim(pc.binary_join_element_wise(pc.cast(whole, pa.string()), fraction, "."), ".")
    signed = pc.if_else(pc.less(column, 0), pc.binary_join_element_wise("-", text, ""), text)
    texts: list[str | None] = signed.to_pylist()
    return texts


def shown_counts(counts: Sequence[int | None], scales: Sequence[int | None]) -> list[str | None]:
    """Texts of counts of 10^scale each; None where either is."""
    if len(set(scales)) == 1 and scales[0] is not None:
        return exact_texts(counts, -scales[0])
    return [
        None if count is None or scale is None else _text(count, -scale)
        for count, scale in zip(counts, scales, strict=True)
    ]


def _text(count: int, places: int) -> str:
    if places <= 0:
        return str(count * 10**-places)
    digits = str(abs(count)).zfill(places + 1)
    rest = digits[-places:].rstrip("0")
    text = f"{digits[:-places]}.{rest}" if rest else digits[:-places]
    return f"-{text}" if count < 0 else text
