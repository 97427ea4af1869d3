"""Virtual meters on wireless M-Bus: the wired record sets with a short header, plain or in security mode 5 (OMS).

Plain telegrams come as most receivers give them, without CRCs; encrypted ones in frame format A with theirs.
"""

from protocols.mbus.header import ShortHeader, link_bytes_from_meter
from protocols.mbus.security import BLOCK, MARK, cbc_encrypted, mode5_vector
from protocols.mbus.wireless import WirelessFrame, format_a_from_frame
from simulators.meter_mbus import STATUS_BITS, mapped_bits, records_of
from simulators.readout import Readout, Speaker

SND_NR = 0x44
CI_SHORT_HEADER = b"\x7a"
FILLER = b"\x2f"
MODE_5 = 5


def wireless_bytes(speaker: Speaker, readout: Readout) -> bytes:
    """SND_NR telegram of a wireless meter; encrypted where the meter has a key."""
    records = records_of(speaker, readout, speaker.model.dialect)
    address = link_bytes_from_meter(speaker.id)
    status = mapped_bits(readout.info, STATUS_BITS)
    if speaker.key is None:
        header = ShortHeader(readout.access_number, status, 0).to_bytes()
        return WirelessFrame(SND_NR, address, CI_SHORT_HEADER + header + records).to_bytes()
    plain = MARK + records
    plain += FILLER * (-len(plain) % BLOCK)
    vector = mode5_vector(address, readout.access_number)
    header = ShortHeader(readout.access_number, status, MODE_5 << 8 | len(plain) // BLOCK << 4).to_bytes()
    body = CI_SHORT_HEADER + header + cbc_encrypted(speaker.key, vector, plain)
    return format_a_from_frame(WirelessFrame(SND_NR, address, body))
