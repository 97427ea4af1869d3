"""LoRaWAN uplinks of heat meters: which maker's layout the bytes have, by profile, port and form.

This file knows no layout; `lorawan_elvaco` and `lorawan_axioma` do. An uplink nobody here knows is an error with a
code.
"""

from protocols import lorawan_axioma, lorawan_elvaco
from protocols.errors import FrameError, UnsupportedError
from protocols.telegram import Telegram

AXIOMA_PORT = 100


def telegram_from_uplink(payload: bytes, port: int, profile: str | None = None) -> Telegram:
    """The telegram of an application payload (FRMPayload, decrypted by the network server).

    Parameters
    ----------
    payload : bytes
    port : int
        FPort. Elvaco modules send on 2, Axioma on 100.
    profile : str, optional
        A name that starts with the maker ("elvaco-cmi4110", "axioma-e3") overrides what port and form suggest.

    Raises
    ------
    FrameError
        ``lorawan.empty``, ``lorawan.truncated``.
    ContentError
        ``record.*`` and ``json.*`` where a record can't be delimited.
    UnsupportedError
        ``lorawan.format``: no known layout; ``lorawan.port``: a port of no known maker.
    """
    if not payload:
        raise FrameError("lorawan.empty", "an uplink without application payload", 0)
    wanted = (profile or "").lower()
    if wanted.startswith("axioma"):
        return lorawan_axioma.telegram_from_payload(payload)
    if wanted.startswith("elvaco"):
        return lorawan_elvaco.telegram_from_payload(payload)
    if port == AXIOMA_PORT:
        return lorawan_axioma.telegram_from_payload(payload)
    if port != lorawan_elvaco.PORT:
        # Other makers' bytes would often pass for M-Bus records: the port must vouch for them.
        raise UnsupportedError("lorawan.port", f"no maker known here sends on port {port}", 0)
    if payload[0] in lorawan_elvaco.FORMATS:
        return lorawan_elvaco.telegram_from_payload(payload)
    raise UnsupportedError("lorawan.format", f"0x{payload[0]:02X} is no message format known here, byte 0", 0)
