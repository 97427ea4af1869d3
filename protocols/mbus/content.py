"""What a control information (CI) announces, as a Telegram: headers, errors, alarms, formats, records (EN 13757-3, -7).

This file knows the order of transport header, security and application data; `telegram` knows the links below them.
"""

from typing import Final

import msgspec

from protocols.errors import UnsupportedError
from protocols.mbus.application import alarm_record, application_error
from protocols.mbus.compact import full_from_compact, layout_from_format
from protocols.mbus.fixed import SIZE as FIXED_SIZE
from protocols.mbus.fixed import fixed_from_bytes
from protocols.mbus.header import meter_from_link_bytes
from protocols.mbus.high_first import (
    CI_FIXED,
    CI_RECORDS,
    fixed_low_first,
    header_low_first,
    records_low_first,
    with_raw,
)
from protocols.mbus.load_profile import with_elements
from protocols.mbus.makers import meter_with_known_medium, records_behind_ci, records_in_tail
from protocols.mbus.opening import MAKERS_MODE, crc_wrong, plain_data, plausible, security_mode
from protocols.mbus.plan import Plan, PlanCache
from protocols.mbus.records import RecordError, records_from_bytes
from protocols.mbus.transport import APPLICATIONS, NO_METER, Body, Header, Message, Transport, transport_from_bytes
from protocols.telegram import DataRecord, MeterId, Telegram

# CIs of the other direction: a master's commands are no telegram of a meter.
_COMMANDS: Final = frozenset((*range(0x50, 0x60), *range(0xB8, 0xC0)))

# DIFs of records without data.
_NO_DATA: Final = frozenset(bytes((dif,)) for dif in range(0x80) if not dif & 7)


def closed_telegram(
    message: Message, meter: MeterId, access_number: int | None, status: int | None, base: int
) -> Telegram:
    """The header of a telegram that stays encrypted for want of a key."""
    message.details["payload"] = "encrypted"
    note = f"key.missing at byte {base}"
    return Telegram(message.protocol, meter, (), access_number, status, False, message.details, (note,))


def application_telegram(ci: int, data: bytes, base: int, message: Message) -> Telegram:
    """Transport header and application data behind `ci`; `data` starts at offset `base`."""
    message.details["ci"] = f"{ci:02x}"
    if message.wired and ci in (CI_RECORDS, CI_FIXED):
        return _high_first(ci, data, base, message)
    if ci == 0x73 and message.wired and len(data) == FIXED_SIZE:
        meter, access_number, status, records = fixed_from_bytes(data, base)
        return Telegram("mbus", meter, records, access_number, status, False, message.details)
    application = APPLICATIONS.get(ci)
    if application is None:
        return _other(ci, data, base, message)
    if application.body is Body.ERROR and application.header is Header.NONE:
        raise application_error(data, base)
    transport = transport_from_bytes(ci, application.header, data, base, message)
    if application.body is Body.ERROR:
        raise application_error(transport.data, transport.base)
    plain = plain_data(transport, message)
    if plain is None:
        return closed_telegram(message, transport.meter, transport.access_number, transport.status, transport.base)
    transport = transport._replace(data=plain)
    if security_mode(transport, message) == MAKERS_MODE and not plausible(plain):
        message.details["encryption"] = "mode1"
        record = DataRecord("manufacturer_specific", "", plain.hex(), raw=plain.hex(), code="mode1")
        return _telegram(transport, message, (record,), False)
    return _read(application.body, transport, message)


def _high_first(ci: int, data: bytes, base: int, message: Message) -> Telegram:
    """An answer whose numbers begin with their high byte, or that at least says so."""
    if ci == CI_FIXED:
        # As short as it must be, the structure says itself what is wrong with its length.
        whole = fixed_low_first(data) if len(data) == FIXED_SIZE else data
        meter, access_number, status, counters = fixed_from_bytes(whole, base)
        raws = [data[8:12].hex(), data[12:].hex()]
        message.details["byte_order"] = "high"
        return Telegram("mbus", meter, with_raw(counters, raws), access_number, status, False, message.details)
    head = header_low_first(ci, data)
    transport = transport_from_bytes(ci, Header.LONG, head, base, message)
    if head == data:
        return _read(Body.RECORDS, transport, message)
    message.details["byte_order"] = "high"
    turned, raws = records_low_first(transport.data)
    telegram = _read(Body.RECORDS, transport._replace(data=turned), message)
    return msgspec.structs.replace(telegram, records=with_raw(telegram.records, raws))


def _other(ci: int, data: bytes, base: int, message: Message) -> Telegram:
    if 0xA0 <= ci <= 0xB7:
        meter = NO_METER
        if message.link_address is not None:
            meter = meter_with_known_medium(meter_from_link_bytes(message.link_address))
        record = DataRecord("manufacturer_specific", "", data.hex(), raw=data.hex(), code=f"ci{ci:02x}")
        records = (record, *records_behind_ci(meter, data))
        return Telegram(message.protocol, meter, records, message.access_number, None, False, message.details)
    code = "ci.command" if ci in _COMMANDS else "ci.unsupported"
    raise UnsupportedError(
        code, f"control information {ci:02X} is not that of a meter's data, byte {base - 1}", base - 1
    )


def _read(body: Body, transport: Transport, message: Message) -> Telegram:
    meter, data, base = transport.meter, transport.data, transport.base
    if body is Body.ALARM:
        return _telegram(transport, message, (alarm_record(data),), False)
    if body is Body.FORMAT:
        layout = layout_from_format(data, base)
        if message.layouts is not None:
            message.layouts.learn(meter, layout)
        message.details["layout"] = layout.hex()
        return _telegram(transport, message, (), False)
    if body is Body.COMPACT:
        data = full_from_compact(data, meter, message.layouts, base)
    try:
        records, more, plan = _records(data, base, message.plans)
    except RecordError as error:
        if message.could_be_format_b and (error.offset or 0) >= base + len(data) - 2:
            raise crc_wrong(base + len(data)) from error
        note = f"{error.code} at byte {error.offset}"
        partial = _telegram(transport, message, tuple(error.records), False, (note,))
        # A radio cannot be asked again, so what came whole counts; on the wire the master asks for a repeat.
        if not message.wired and error.records:
            return partial
        error.telegram = partial
        raise
    # Nobody sends a record without data at the end, but two bytes of a CRC may look like one.
    if message.could_be_format_b and records and not records[-1].raw and data[-2:-1] in _NO_DATA:
        raise crc_wrong(base + len(data))
    if message.layouts is not None and body is Body.RECORDS and not message.wired:
        if plan is None:
            message.layouts.learn_full(meter, data)
        else:
            message.layouts.learn(meter, plan.layout)
    if records and records[-1].quantity == "manufacturer_specific" and records[-1].code == "0f" and not message.wired:
        records = (*records, *records_in_tail(meter, bytes.fromhex(records[-1].raw)))
    if plan is not None and not plan.profiled:
        return _telegram(transport, message, records, more)
    opened, notes = with_elements(records)
    return _telegram(transport, message, opened, more, notes)


def _records(data: bytes, base: int, plans: PlanCache | None) -> tuple[tuple[DataRecord, ...], bool, Plan | None]:
    """Records by a plan where one fits, else in full; and the plan."""
    plan = None if plans is None else plans.find(data)
    if plan is not None:
        return plan.records(data), plan.more, plan
    records, more = records_from_bytes(data, base)
    if plans is not None:
        plans.learn(data)
    return tuple(records), more, None


def _telegram(
    transport: Transport,
    message: Message,
    records: tuple[DataRecord, ...],
    more: bool,
    diagnostics: tuple[str, ...] = (),
) -> Telegram:
    return Telegram(
        message.protocol,
        transport.meter,
        records,
        transport.access_number,
        transport.status,
        more,
        message.details,
        diagnostics,
    )
