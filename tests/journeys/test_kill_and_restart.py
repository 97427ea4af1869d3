"""The service is stopped, killed and started again: everything acknowledged is still there, nothing stays behind."""

import os
import signal
import time
from typing import Any

import psycopg
import pytest

from protocols.mbus.frame import LongFrame

ENDS_WITHIN_S = 10.0


def _frame(number: int) -> str:
    header = bytes.fromhex("55443322")[::-1] + bytes.fromhex("2D2C3404") + bytes(4)
    return LongFrame(0x08, 5, 0x72, header + b"\x04\x06" + number.to_bytes(4, "little")).to_bytes().hex()


def _nobody_left(service: Any, within_s: float = 15.0) -> bool:
    deadline = time.monotonic() + within_s
    while service.family():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_stop_kill_and_restart_lose_nothing(own_service: Any) -> None:
    service = own_service
    service.start()
    first_start_s = service.ready_after_s
    acknowledged = []
    with service.client("technician") as client:
        for number in range(200):
            answer = client.post("/deliveries", json={"hex": _frame(number), "protocol": "mbus"})
            assert answer.status_code == 202, answer.text
            acknowledged.append(answer.json()["delivery_id"])
        # In the middle of the work: live readings come in, history has just been assessed.
        children = service.family()
        assert len(children) > 4
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait(10)
    assert _nobody_left(service), [one.cmdline() for one in service.family()]

    service.start()
    second_start_s = service.ready_after_s
    assert second_start_s < first_start_s
    with service.client("technician") as client:
        for delivery_id in acknowledged:
            answer = client.get(f"/deliveries/{delivery_id}")
            assert answer.status_code == 200, delivery_id
        again = client.post("/deliveries", json={"hex": _frame(1), "protocol": "mbus"})
        assert again.status_code in (200, 202)
    from api.embedded import running_url

    url = running_url(service.data / "postgres")
    assert url is not None
    with psycopg.connect(url) as connection:
        twice = connection.execute(
            "SELECT count(*) FROM (SELECT register_id, ts, value FROM reading GROUP BY 1, 2, 3 HAVING count(*) > 1) t"
        ).fetchone()
    assert twice == (0,)

    assert service.stop(signal.SIGINT) < ENDS_WITHIN_S
    assert _nobody_left(service, 1.0), [one.cmdline() for one in service.family()]
    print(f"\nfirst start {first_start_s:.1f} s, second start {second_start_s:.1f} s")


def test_a_second_service_on_the_same_folder_is_refused(own_service: Any) -> None:
    own_service.start()
    second = type(own_service)(own_service.data, own_service.port + 1, days=2)
    with pytest.raises(AssertionError, match=r"run\.locked"):
        second.start(30)
    assert own_service.stop(signal.SIGTERM) < ENDS_WITHIN_S
