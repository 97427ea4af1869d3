"""Every packaged profile carries samples made by our own encoders, and reads in them what they say."""

import pytest

from protocols import cjt188, dlt645, mbus
from protocols.catalogue import catalogue
from protocols.lorawan import telegram_from_uplink
from protocols.modbus import telegram_from_image
from protocols.profile import MeterProfile, Sample
from protocols.registers import RegisterReading
from protocols.telegram import Telegram, value_text

SAMPLES = [
    pytest.param(profile, sample, id=f"{profile.name}-{number}")
    for profile in catalogue().profiles()
    for number, sample in enumerate(profile.samples)
]


def decoded(profile: MeterProfile, sample: Sample) -> Telegram:
    if profile.protocol == "modbus":
        return telegram_from_image(sample.payload, profile, sample.serial)
    if profile.protocol == "cjt188":
        return cjt188.telegram_from_frame(sample.payload, profile.dialect)
    if profile.protocol == "dlt645":
        return dlt645.telegram_from_frame(sample.payload)
    if profile.protocol == "lorawan":
        return telegram_from_uplink(sample.payload, 2, profile.name)
    return mbus.telegram_from_frame(sample.payload, sample.key)


def shown(reading: RegisterReading) -> str | None:
    if reading.count is None:
        return None
    return f"{value_text(reading.register.value_of(reading.count))} {reading.register.unit}".strip()


@pytest.mark.parametrize(("profile", "sample"), SAMPLES)
def test_a_profile_reads_its_sample(profile: MeterProfile, sample: Sample) -> None:
    found = profile.interpret(decoded(profile, sample))
    assert {reading.register.name: shown(reading) for reading in found.readings if reading.time is None} == dict(
        sample.readings
    )
    history: dict[str, dict[str, str | None]] = {}
    for reading in found.readings:
        if reading.time is not None:
            history.setdefault(reading.register.name, {})[reading.time.isoformat()] = shown(reading)
    assert history == {name: dict(rows) for name, rows in sample.history.items()}
    assert found.flags == sample.flags
    assert (None if found.meter_time is None else found.meter_time.isoformat()) == sample.meter_time


@pytest.mark.parametrize(("profile", "sample"), SAMPLES)
def test_the_catalogue_finds_the_profile_of_a_sample(profile: MeterProfile, sample: Sample) -> None:
    assert catalogue().find(decoded(profile, sample)) is profile


def test_every_meter_profile_has_a_sample() -> None:
    bare = [
        profile.name
        for profile in catalogue().profiles()
        if not profile.samples and not profile.fallback and "." not in profile.name
    ]
    assert bare == []


def test_the_wanted_models_are_there() -> None:
    wanted = """kamstrup-403 kamstrup-603 landisgyr-uh50 diehl-sharky sensostar itron-cf-echo sensus-pollucom zenner
    sontex qundis techem cjt188-tiangang cjt188-runa cjt188-huizhong cjt188-danfoss cjt188-lichuang cjt188-maituo
    cjt188-haiweici cjt188-wanhua tuf-2000 calec-st mag-11 anybus-mbus-modbus dlt645 cjt188-water
    elvaco axioma"""
    assert set(wanted.split()) <= set(catalogue().names())
