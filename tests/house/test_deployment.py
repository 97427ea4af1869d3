"""What production starts from: the compose file, the broker's rights, Prometheus and Grafana fit the program.

No container runs here: the files are held against the program, and the broker is a real one with the shipped settings.
"""

import json
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from threading import Event
from typing import Any

import paho.mqtt.client as paho
import pytest
import yaml

from api.cli.doctor import _broker
from api.embedded import free_port
from ingest.config import PREFIX, Settings
from ingest.sealing import sealer_for
from ingest.sources.mqtt_settings import settings_from_url

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = {name: service for name, service in COMPOSE.items() if "heatbook" in service.get("image", "")}
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
MADE_BY_PREPARE = {"deploy/mosquitto/accounts", "deploy/tls", "deploy/tls/ca.crt"}


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_the_terminal_knows(name: str) -> None:
    command = [sys.executable, "-m", "api.cli.main", *OURS[name]["command"], "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_told_nothing_that_no_setting_is_called(name: str) -> None:
    known = {PREFIX + item.name.upper() for item in fields(Settings)}
    assert set(OURS[name]["environment"]) <= known


def test_every_file_that_is_mounted_is_there_or_made_by_the_preparation() -> None:
    for name, service in COMPOSE.items():
        for volume in service.get("volumes", ()):
            place = volume.split(":")[0]
            if place.startswith("./"):
                assert place[2:] in MADE_BY_PREPARE or (ROOT / place).exists(), (name, place)


def test_prometheus_asks_services_at_the_ports_that_they_serve() -> None:
    jobs = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    asked = {target for job in jobs for one in job.get("static_configs", ()) for target in one["targets"]}
    assert asked == {"api:8765"}
    for lookup in (one for job in jobs for one in job.get("dns_sd_configs", ())):
        for name in lookup["names"]:
            assert OURS[name]["environment"]["HEATBOOK_METRICS_PORT"] == str(lookup["port"])


def test_alerts_and_dashboards_name_metrics_that_exist() -> None:
    texts = [path.read_text() for path in sorted((ROOT / "deploy").rglob("*.yml"))]
    dashboard = (ROOT / "deploy/grafana/dashboards/heatbook.json").read_text()
    assert json.loads(dashboard)["panels"]
    named = set(re.findall(r"\bheatbook_\w+", "\n".join([*texts, dashboard])))
    sources = "\n".join(path.read_text() for room in ("api", "ingest") for path in (ROOT / room).rglob("*.py"))
    defined = set(re.findall(r'"(heatbook_\w+)"', sources))
    endings = r"_(total|bucket|count|sum)$"
    assert {re.sub(endings, "", name) for name in named} <= defined
    assert len(named) > 10


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the preparation needs, prepared; twice, as somebody would who forgot the first time."""
    if MOSQUITTO is None or shutil.which("mosquitto_passwd") is None or shutil.which("openssl") is None:
        pytest.skip("no mosquitto or no openssl on this machine")
    folder = tmp_path_factory.mktemp("deployment")
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    for _ in range(2):
        done = subprocess.run(["sh", "deploy/prepare.sh"], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "made" not in done.stdout
    return folder


@pytest.fixture(scope="module")
def settings(prepared: Path) -> dict[str, str]:
    lines = (prepared / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(scope="module")
def port(prepared: Path, settings: dict[str, str]) -> Iterator[int]:
    """The shipped broker settings with the container's folders replaced, on a free port."""
    free = free_port()
    text = (prepared / "deploy/mosquitto/mosquitto.conf").read_text()
    for there, here in (
        ("/mosquitto/config/", f"{prepared}/deploy/mosquitto/"),
        ("/mosquitto/data/", f"{prepared}/"),
        ("/run/tls/", f"{prepared}/deploy/tls/"),
        ("listener 8883", f"listener {free} 127.0.0.1\nuser root"),
    ):
        assert there in text
        text = text.replace(there, here)
    (prepared / "mosquitto.conf").write_text(text)
    accounts = prepared / "deploy/mosquitto/accounts"
    subprocess.run(["mosquitto_passwd", "-b", accounts, "gateway7", "seven"], check=True, capture_output=True)
    with subprocess.Popen([str(MOSQUITTO), "-c", str(prepared / "mosquitto.conf")], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if b"running" in line:
                break
        yield free
        process.terminate()


def _address(settings: dict[str, str], port: int, prepared: Path) -> str:
    """What the compose file tells the services, with this test's host, port and folder."""
    told = str(OURS["ingest"]["environment"]["HEATBOOK_MQTT_URL"])
    told = re.sub(r"\$\{(\w+)[^}]*\}", lambda found: settings[found[1]], told)
    assert "@broker:8883" in told
    return told.replace("broker:8883", f"localhost:{port}").replace("/run/tls", f"{prepared}/deploy/tls")


def _client(prepared: Path, name: str, password: str) -> paho.Client:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    client.username_pw_set(name, password)
    client.tls_set_context(ssl.create_default_context(cafile=str(prepared / "deploy/tls/ca.crt")))
    return client


@pytest.mark.broker
def test_the_services_address_lets_them_in_and_another_password_does_not(
    prepared: Path, settings: dict[str, str], port: int
) -> None:
    address = _address(settings, port, prepared)
    assert settings_from_url(address).tls_ca == f"{prepared}/deploy/tls/ca.crt"
    seen = _broker(address)
    assert seen.passed, seen
    refused = _broker(address.replace(settings["MQTT_PASSWORD"], "wrong"))
    assert not refused.passed
    assert "authori" in refused.seen.lower()
    unknown = _broker(re.sub(r"\?.*", "", address))
    assert not unknown.passed
    assert "certificate" in unknown.seen


@pytest.mark.broker
def test_a_gateways_account_writes_below_its_own_name_only(prepared: Path, settings: dict[str, str], port: int) -> None:
    reader, gateway = _client(prepared, "heatbook", settings["MQTT_PASSWORD"]), _client(prepared, "gateway7", "seven")
    heard: list[str] = []
    listening, done = Event(), Event()

    def received(_client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        heard.append(message.topic)
        if message.payload == b"last":
            done.set()

    reader.on_message = received
    reader.on_subscribe = lambda *_: listening.set()
    for client in (reader, gateway):
        client.connect("localhost", port)
        client.loop_start()
    reader.subscribe("#", 1)
    assert listening.wait(20)
    for topic, payload in (("meters/gateway8/up", b"forged"), ("meters/gateway7/up", b"last")):
        gateway.publish(topic, payload, 1).wait_for_publish(20)
    assert done.wait(20)
    for client in (reader, gateway):
        client.disconnect()
        client.loop_stop()
    assert heard == ["meters/gateway7/up"]


def test_the_master_key_of_the_preparation_is_one(settings: dict[str, str], tmp_path: Path) -> None:
    sealer_for(tmp_path, settings["HEATBOOK_MASTER_KEY"])
    assert not list(tmp_path.iterdir())
