"""M-Bus, wired and wireless (EN 13757): frames, records, security, both ways."""

from protocols.mbus.addressing import Selection, selection_from_text
from protocols.mbus.building import (
    alarm_frame,
    application_error_frame,
    fixed_frame,
    frame_from_telegram,
    wired_frame,
    wireless_compact_telegram,
    wireless_format_telegram,
    wireless_telegram,
)
from protocols.mbus.compact import LayoutStore
from protocols.mbus.encoding import Coding, bytes_from_records, record_bytes
from protocols.mbus.fragments import FragmentStore
from protocols.mbus.master import Readout
from protocols.mbus.receiver import FrameReceiver
from protocols.mbus.records import RecordError, records_from_bytes
from protocols.mbus.sealing import (
    wireless_ctr_telegram,
    wireless_mode7_telegram,
    wireless_mode7_telegrams,
    wireless_mode10_telegram,
)
from protocols.mbus.search import SecondarySearch
from protocols.mbus.slave import Slave
from protocols.mbus.telegram import telegram_from_frame

__all__ = [
    "Coding",
    "FragmentStore",
    "FrameReceiver",
    "LayoutStore",
    "Readout",
    "RecordError",
    "SecondarySearch",
    "Selection",
    "Slave",
    "alarm_frame",
    "application_error_frame",
    "bytes_from_records",
    "fixed_frame",
    "frame_from_telegram",
    "record_bytes",
    "records_from_bytes",
    "selection_from_text",
    "telegram_from_frame",
    "wired_frame",
    "wireless_compact_telegram",
    "wireless_ctr_telegram",
    "wireless_format_telegram",
    "wireless_mode7_telegram",
    "wireless_mode7_telegrams",
    "wireless_mode10_telegram",
    "wireless_telegram",
]
