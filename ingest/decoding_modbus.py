"""A Modbus RTU answer without its request (DTU passthrough, a log): found in the profile's plan by its length.

An answer says how many registers it brings, not which; only a plan with exactly one request of that size tells.
"""

from protocols.errors import ProfileError
from protocols.modbus import Block, image_from_blocks, read_plan, telegram_from_image, words_from_answer
from protocols.profile import MeterProfile
from protocols.telegram import DataRecord, MeterId, Telegram


def telegram_from_rtu(frame: bytes, profile: MeterProfile | None) -> Telegram:
    """The telegram of an answer: by the profile's plan, or as bare registers where there is no profile.

    Raises
    ------
    FrameError, DeviceError
        As `protocols.modbus.words_from_answer`.
    ProfileError
        ``modbus.request_unknown``: none or several requests of the plan ask for that many registers.
    """
    words = words_from_answer(frame)
    unit, function = str(frame[0]), frame[1]
    if profile is None:
        records = tuple(
            DataRecord(f"register_{number}", "", None, raw=f"{word:04x}", error="profile.missing", code=f"{function}")
            for number, word in enumerate(words)
        )
        return Telegram("modbus", MeterId(unit), records, diagnostics=("profile.missing",))
    fitting = [plan for plan in read_plan(profile) if plan.count == len(words) and plan.function == function]
    if len(fitting) != 1:
        message = f"{len(fitting)} requests of profile {profile.name} ask for {len(words)} registers"
        raise ProfileError("modbus.request_unknown", message)
    image = image_from_blocks([Block(function, fitting[0].address, words)])
    return telegram_from_image(image, profile, unit)
