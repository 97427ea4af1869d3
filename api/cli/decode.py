"""`heatbook decode`: one telegram as a table or as JSON, or a file of them line by line.

A table on a terminal, JSON where the output goes into a pipe. Exit codes: 0 decoded, 1 not decodable (the error says
where), 2 wrong usage. Nothing is imported here that a decoder does not need.
"""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from api.cli.decode_batch import decode_lines, error_as_json, json_line, telegrams_as_json
from ingest.decoding.detect import bytes_from_text, flaw_in_hex
from ingest.decoding.state import DecodingState
from ingest.decoding.table import decode as decode_bytes
from ingest.decoding.table import protocol_name
from ingest.model import Decoded
from ingest.profiles import own_profiles, use_own_profiles
from protocols.errors import ProtocolError
from protocols.mqtt.message import FamilyState

# Bytes read from standard input or a file.
_LONGEST = 1 << 22


def _usage(message: str) -> NoReturn:
    sys.stderr.write(f"heatbook decode: {message}\n")
    raise typer.Exit(2)


def decode(
    telegram: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="HEX",
            help="Bytes as hex (blanks, colons and 0x allowed), base64 or JSON, or a file of them; - reads.",
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            "-p",
            help="mbus, wmbus, cjt188, dlt645, modbus, modbus_rtu, lorawan, mqtt, reading; found if left out.",
        ),
    ] = None,
    key: Annotated[str | None, typer.Option("--key", "-k", help="AES key, 32 hex digits.")] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Meter profile or JSON mapping to read it with.")
    ] = None,
    profile_file: Annotated[
        Path | None,
        typer.Option("--profile-file", metavar="FILE", help="TOML file of a meter profile or JSON mapping to use."),
    ] = None,
    dialect: Annotated[str | None, typer.Option("--dialect", help="Dialect of CJ/T 188.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=255, help="LoRaWAN port.")] = None,
    topic: Annotated[str | None, typer.Option("--topic", help="MQTT topic the payload came on.")] = None,
    family: Annotated[
        str | None, typer.Option("--family", help="MQTT payload family, where the topic does not tell.")
    ] = None,
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="FILE|-", help="Read JSON lines, print one line each.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, even on a terminal.")] = False,
    as_table: Annotated[bool, typer.Option("--table", help="A table, even into a pipe.")] = False,
) -> None:
    """Decode one telegram, or with --batch a file of JSON lines."""
    own = None if profile_file is None else _own_profile(profile_file)
    if batch is not None:
        if telegram:
            _usage("--batch and HEX exclude each other")
        _batch(batch)
        return
    if not telegram:
        _usage("give the telegram as HEX, or --batch FILE")
    if as_json and as_table:
        _usage("--json and --table exclude each other")
    text, from_words = _input(telegram)
    payload = _payload(text, protocol, topic, from_words)
    table = as_table or (sys.stdout.isatty() and not as_json)
    try:
        name = None if protocol is None else protocol_name(protocol)
    except ProtocolError as error:
        _usage(error.message)
    secret = _key(key)
    try:
        found = decode_bytes(
            "mqtt" if name is None and topic else name,
            payload,
            key=secret,
            profile=profile or own,
            port=port,
            topic=topic,
            dialect=dialect,
            family=family,
            state=DecodingState(families=FamilyState(lenient=True)),
        )
    except ProtocolError as error:
        _refused(error, payload, table)
    _print(found, table)


def _own_profile(file: Path) -> str:
    """Make the file's profile known; its name."""
    found = own_profiles([file])
    if found.refused:
        _usage(found.refused[0].message)
    use_own_profiles(found)
    return next(iter([*found.profiles, *found.mappings]))


def _input(words: list[str]) -> tuple[bytes, bool]:
    """What to decode, and whether the words themselves are it rather than standard input or a file that they name."""
    if words == ["-"]:
        return sys.stdin.buffer.read(_LONGEST), False
    text = " ".join(words)
    if len(words) == 1 and len(text) < 1024 and any(mark in text for mark in "./\\") and Path(text).is_file():
        with Path(text).open("rb") as file:
            return file.read(_LONGEST), False
    return text.encode("utf-8", "surrogateescape"), True


def _payload(text: bytes, protocol: str | None, topic: str | None, from_words: bool) -> bytes:
    if topic is not None or protocol in ("mqtt", "reading"):
        return text
    if not from_words or text.strip()[:1] in (b"{", b"["):
        return bytes_from_text(text)
    flaw = flaw_in_hex(text.decode("utf-8", "replace"))
    if flaw is not None:
        _usage(flaw)
    payload = bytes_from_text(text, 1)
    if payload == text and text.strip():
        _usage("HEX is neither hexadecimal, base64, JSON nor a file")
    return payload


def _key(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != 16:
        _usage("--key needs 32 hexadecimal digits")
    return secret


def _batch(name: str) -> None:
    if name == "-":
        decode_lines(sys.stdin.buffer, sys.stdout.buffer)
        return
    try:
        stream = open(name, "rb")  # noqa: SIM115, PTH123
    except OSError as error:
        _usage(f"{name}: {error.strerror}")
    with stream:
        decode_lines(stream, sys.stdout.buffer)


def _print(found: list[Decoded], table: bool) -> None:
    if table:
        from api.cli.decode_table import print_telegrams

        print_telegrams(found)
        return
    telegrams = telegrams_as_json(found)
    sys.stdout.write(json_line(telegrams[0] if len(telegrams) == 1 else telegrams).decode())
    sys.stdout.flush()


def _refused(error: ProtocolError, payload: bytes, table: bool) -> NoReturn:
    if table:
        from api.cli.decode_table import print_error

        print_error(error, payload)
    else:
        sys.stdout.write(json_line({"error": error_as_json(error)}).decode())
        sys.stdout.flush()
    raise typer.Exit(1)
