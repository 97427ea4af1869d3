"""What a meter can say in CJ/T 188 survives the round trip; whatever the line makes of it raises nothing foreign."""

import contextlib
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from protocols.cjt188 import frame_from_telegram, telegram_from_frame
from protocols.errors import ProtocolError
from protocols.serial_frame import SerialFrame, encoded
from protocols.telegram import DataRecord, MeterId, Telegram

DIALECTS = ["standard", "big-endian", "unit-first", "shifted", "wanhua", "tiangang", "danfoss", "maituo"]


def number(digits: int, decimals: int) -> st.SearchStrategy[Decimal]:
    # All nines is a placeholder and not part of a round trip.
    return st.integers(0, 10**digits - 2).map(lambda count: Decimal(count).scaleb(-decimals))


@st.composite
def telegrams(draw: st.DrawFn) -> Telegram:
    dialect = draw(st.sampled_from(DIALECTS))
    whole = dialect == "maituo"
    settlement = "cooling_energy" if dialect in ("tiangang", "maituo") else "energy"
    energy = draw(st.sampled_from(["kWh", "MWh", "GJ", "MJ", "Wh", "J", "kJ"]))
    total = number(8, 0 if whole else 2)
    records = [
        DataRecord(settlement, energy, draw(total), storage=0 if settlement == "cooling_energy" else 1),
        DataRecord("energy", energy, draw(total)),
        DataRecord("power", draw(st.sampled_from(["W", "kW", "MW"])), draw(total)),
        DataRecord("flow", draw(st.sampled_from(["L/h", "m3/h"])), draw(number(8, 0 if whole else 4))),
        DataRecord("volume", draw(st.sampled_from(["L", "m3"])), draw(total)),
        DataRecord("supply_temperature", "°C", draw(number(6, 2))),
        DataRecord("return_temperature", "°C", draw(number(6, 2))),
        DataRecord("operating_time", "h", draw(number(6, 0))),
        DataRecord("datetime", "", draw(st.datetimes().filter(lambda at: at.year >= 1000)).isoformat()[:19]),
    ]
    serial = draw(st.text("0123456789", min_size=14, max_size=14))
    details = {"dialect": dialect, "ser": str(draw(st.integers(0, 255))), "di": "901F"}
    status = draw(st.integers(0, 0xFFFF))
    return Telegram("cjt188", MeterId(serial, serial[:4], None, "heat"), tuple(records), status=status, details=details)


def meaning(telegram: Telegram) -> object:
    values = [(record.quantity, record.storage, record.unit, record.value, record.error) for record in telegram.records]
    return telegram.meter, telegram.status, telegram.details["ser"], values


@given(telegrams())
def test_what_is_said_is_what_is_read(said: Telegram) -> None:
    frame = frame_from_telegram(said)
    read = telegram_from_frame(frame, said.details["dialect"])
    assert meaning(read) == meaning(said)
    assert frame_from_telegram(read) == frame


@given(st.binary(max_size=0x64), st.integers(0, 255), st.integers(0x10, 0x4F), st.sampled_from([None, *DIALECTS]))
def test_any_content_decodes_or_is_refused_with_a_code(data: bytes, control: int, kind: int, dialect: str) -> None:
    with contextlib.suppress(ProtocolError):
        telegram_from_frame(encoded(SerialFrame("cjt188", bytes(7), control, data, kind)), dialect)
