"""Modbus RTU bytes from a log or a DTU: an answer with its request before it, or an answer alone.

An answer says how many registers it brings, not which. Its request tells; without one only a profile's plan with
exactly one request of that size does.
"""

import msgspec

from protocols.errors import ProfileError, ProtocolError
from protocols.modbus import (
    Block,
    ReadRequest,
    image_from_blocks,
    read_plan,
    request_from_frame,
    telegram_from_image,
    words_from_answer,
)
from protocols.profile import MeterProfile
from protocols.telegram import DataRecord, MeterId, Telegram

_REQUEST_SIZE = 8
_MISSING = "register.missing"


def telegram_from_rtu(data: bytes, profile: MeterProfile | None) -> Telegram:
    """The telegram of an answer: by the profile, or as bare registers where there is none.

    Raises
    ------
    FrameError, DeviceError
        As `protocols.modbus.words_from_answer`.
    ProfileError
        ``modbus.request_unknown``: none or several requests of the plan ask for that many registers.
    """
    unit, request, frame = _split(data)
    words = words_from_answer(frame, unit, request)
    function = frame[1]
    address = request.address if request is not None else None
    if profile is None:
        return _bare(str(frame[0]), function, address or 0, words)
    if address is None:
        address = _planned_address(profile, function, len(words))
    image = image_from_blocks([Block(function, address, words)])
    telegram = telegram_from_image(image, profile, str(frame[0]))
    # What other requests of the plan would have brought is not missing here.
    brought = tuple(record for record in telegram.records if record.error != _MISSING)
    return msgspec.structs.replace(telegram, records=brought)


def _split(data: bytes) -> tuple[int | None, ReadRequest | None, bytes]:
    """Unit and request in front of the answer, where there is one."""
    if len(data) > _REQUEST_SIZE:
        try:
            unit, request = request_from_frame(data[:_REQUEST_SIZE])
        except ProtocolError:
            return None, None, data
        return unit, request, data[_REQUEST_SIZE:]
    return None, None, data


def _planned_address(profile: MeterProfile, function: int, count: int) -> int:
    fitting = [plan for plan in read_plan(profile) if plan.count == count and plan.function == function]
    if len(fitting) != 1:
        message = f"{len(fitting)} requests of profile {profile.name} ask for {count} registers"
        raise ProfileError("modbus.request_unknown", message)
    return fitting[0].address


def _bare(unit: str, function: int, first: int, words: tuple[int, ...]) -> Telegram:
    records = tuple(
        DataRecord(f"register_{number}", "", None, raw=f"{word:04x}", error="profile.missing", code=f"{function}")
        for number, word in enumerate(words, first)
    )
    return Telegram("modbus", MeterId(unit), records, diagnostics=("profile.missing",))
