"""The catalogue always finds a profile, the most specific one, and refuses files with mistakes by file and key."""

import pytest

from protocols.catalogue import Catalogue, catalogue, profiles_from_texts
from protocols.errors import ProfileError
from protocols.profile_schema import profiles_from_text
from protocols.telegram import MeterId, Telegram

HEAD = 'name = "x"\ntitle = "X"\nprotocol = "mbus"\n'


def telegram(protocol: str, manufacturer: str = "", version: int | None = None, medium: str = "heat") -> Telegram:
    return Telegram(protocol, MeterId("1", manufacturer, version, medium), ())


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (telegram("mbus", "KAM", 0x35), "kamstrup-603"),
        (telegram("wmbus", "KAM", 0x34), "kamstrup-403"),
        (telegram("mbus", "KAM", 0x01), "kamstrup-multical"),
        (telegram("mbus", "KAM", 0x35, "cold_water"), "standard-mbus"),
        (telegram("mbus", "ZZZ"), "standard-mbus"),
        (telegram("lorawan", "ELV"), "standard-mbus"),
        (telegram("lorawan", "AXI"), "axioma"),
        (telegram("cjt188", "4259"), "cjt188-lichuang"),
        (telegram("cjt188", "9999"), "standard-cjt188"),
        (telegram("cjt188", "9999", medium="cold_water"), "cjt188-water"),
        (telegram("dlt645", medium="electricity"), "dlt645"),
        (telegram("mqtt"), "standard"),
        (telegram("reading"), "standard"),
        (telegram("something-new"), "standard"),
    ],
)
def test_the_most_specific_profile_wins(said: Telegram, name: str) -> None:
    assert catalogue().find(said).name == name


def test_a_telegram_that_names_its_profile_gets_it() -> None:
    said = Telegram("modbus", MeterId("1"), (), details={"profile": "tuf-2000"})
    assert catalogue().find(said).name == "tuf-2000"


def test_an_unknown_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        catalogue().get("nobody")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "x.toml"),
        ('title = "X"\nprotocol = "mbus"', "name is missing"),
        ('name = "x"\ntitle = "X"\nprotocol = "smoke"', "smoke"),
        (HEAD + "colour = 1", "colour"),
        (HEAD + "standard = 3", "standard"),
        (HEAD + "[detect]\nmanufacturer = 'KAM'", "manufacturer"),
        (HEAD + "[[register]]\nname = 'e'", r"register\[0\]: quantity is missing"),
        (HEAD + "[[register]]\nname = 'e'\nunit = 'cubit'", "'cubit' is unknown"),
        (HEAD + "[[register]]\nname = 'e'\ndigits = 0", "digits 0"),
        (HEAD + "[[register]]\nname = 'e'\nquantity = 'warmth'", "warmth"),
        (HEAD + "[[register]]\nname = 'e'\nquantity = 'heat_energy'\nunit = 'm3'", "'m3' does not measure"),
        (HEAD + "[[register]]\nname = 'e'\nquantity = 'heat_energy'\ndigits = 99", "digits 99"),
        (HEAD + "[[register]]\nname = 'e'\nquantity = 'heat_energy'\nfunction = 'guess'", "guess"),
        (HEAD + "[[register]]\nname = 'e'\nquantity = 'info_code'", "record or code is missing"),
        (HEAD + "[[history]]\nfirst = 3\nlast = 1", r"history\[0\]"),
        (HEAD + "[[history]]\nfirst = 1\nlast = 1\nday = 31", "day outside"),
        (HEAD + "[[status]]\nbit = 1\nword = 'w'\nseverity = 'bad'", "severity"),
        (HEAD + "[[status]]\nword = 'w'\nseverity = 'fault'", "bit or mask"),
        (HEAD + "[[sample]]\nhex = 'xyz'\nreadings = {}", "hex is no hexadecimal"),
        (HEAD + "dialect = 'klingon'", "klingon"),
        (HEAD + "[cjt188]\nbyte_order = 'middle'", "byte_order"),
        (HEAD + "[cjt188]\nspin = 'left'", "cjt188.spin"),
        (HEAD + "[modbus]\n[[point]]\nname = 'p'\naddress = 0\ntype = 'u16'\nfactor = inf", "factor: inf"),
        (HEAD + "[modbus]\n[[point]]\nname = 'p'\naddress = inf\ntype = 'u16'", "address: inf is no whole"),
        (HEAD + "[modbus]\n[[point]]\nname = 'p'\naddress = 0\ntype = 'u16'\ndecimals = 'a'", r"\(p\): decimals: 'a'"),
        (HEAD + "[modbus]\n[[point]]\nname = 'p'\naddress = 0\ntype = 'u16'\nrepeat = {stride = 2}", r"repeat\.count"),
        (HEAD + "[modbus]\n[[point]]\nname = 'p'\naddress = 0\ntype = 'u16'\nvalue = 'x'", "value: 'x' is none of"),
        (HEAD + "[modbus]\n[[point]]\nname = 'p'\naddress = 0\ntype = 'u16'\nunits = {1 = 5}", r"units\.1: 5"),
        (HEAD + "[modbus]\nrefresh_s = 'a'", r"modbus\.refresh_s: 'a' is no number"),
        (HEAD + "[modbus]\nreadable = [[1]]", r"modbus\.readable: \[1\] is no pair"),
        (HEAD + "[modbus]\n[[register]]\nname = 'e'\nquantity = 'heat_energy'\ncode = 'p'", "no point 'p'"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_and_key(text: str, words: str) -> None:
    with pytest.raises(ProfileError, match=words) as caught:
        profiles_from_text(text, "x.toml")
    assert "x.toml" in caught.value.message


def test_two_files_cannot_hold_one_name() -> None:
    with pytest.raises(ProfileError, match=r"b.toml: name 'x' is taken by a.toml"):
        profiles_from_texts({"a.toml": HEAD, "b.toml": HEAD})


def test_more_profiles_win_over_packaged_ones() -> None:
    mine = catalogue().extended({"mine.toml": 'name = "kamstrup-603"\ntitle = "Ours"\nprotocol = "mbus"\n'})
    assert mine.get("kamstrup-603").title == "Ours"
    assert catalogue().get("kamstrup-603").title != "Ours"


def test_a_catalogue_needs_a_standard_profile() -> None:
    with pytest.raises(ProfileError, match="standard"):
        Catalogue(profiles_from_text(HEAD, "x.toml"))
