"""What the MQTT source promises, with a real broker on loopback."""

import asyncio

import pytest

from ingest.errors import UnavailableError


async def test_messages_become_deliveries_in_order_and_are_acknowledged(broker, intake, publish, start_source, reached):
    source = await start_source(broker.port, topics=("order/#",), client_id="order")
    messages = [(f"order/{number % 3}", f"message {number}".encode()) for number in range(200)]
    await asyncio.to_thread(publish, broker.port, messages)
    await intake.reached(200)
    assert intake.payloads == [payload for _, payload in messages]
    assert {delivery.protocol for delivery in intake.deliveries} == {"mqtt"}
    assert intake.deliveries[0].topic == "order/0"
    await reached(lambda: source.counters.acknowledged == 200)


async def test_nothing_is_acknowledged_before_it_is_safe(broker, intake, publish, start_source, reached):
    intake.immediate = False
    source = await start_source(broker.port, topics=("safe/#",), client_id="safe")
    await asyncio.to_thread(publish, broker.port, [("safe/a", b"1"), ("safe/a", b"2")])
    await intake.reached(2)
    # The second is safe first: it waits for the first, acknowledgements keep the order.
    intake.futures[1].set_result(None)
    await asyncio.sleep(0)
    assert source.counters.acknowledged == 0
    intake.futures[0].set_result(None)
    await reached(lambda: source.counters.acknowledged == 2)


async def test_what_was_not_safe_comes_again_after_a_restart(broker, intake, publish, start_source, reached):
    intake.immediate = False
    first = await start_source(broker.port, topics=("again/#",), client_id="again")
    first.drain_s = 0.05
    await asyncio.to_thread(publish, broker.port, [("again/a", b"kept by the broker")])
    await intake.reached(1)
    first.task.cancel()
    await asyncio.gather(first.task, return_exceptions=True)
    assert first.counters.acknowledged == 0
    intake.immediate = True
    second = await start_source(broker.port, topics=("again/#",), client_id="again")
    await intake.reached(2)
    assert intake.payloads == [b"kept by the broker"] * 2
    assert intake.deliveries[0].idempotency
    await reached(lambda: second.counters.acknowledged == 1)


async def test_messages_published_while_the_source_is_away_wait_at_the_broker(
    broker, intake, publish, start_source, reached
):
    first = await start_source(broker.port, topics=("away/#",), client_id="away")
    first.task.cancel()
    await asyncio.gather(first.task, return_exceptions=True)
    await asyncio.to_thread(publish, broker.port, [("away/a", b"while away")])
    await start_source(broker.port, topics=("away/#",), client_id="away")
    await intake.reached(1)
    assert intake.payloads == [b"while away"]


async def test_a_delivery_that_fails_breaks_the_connection_and_comes_again(
    broker, intake, publish, start_source, reached
):
    intake.immediate = False
    source = await start_source(broker.port, topics=("fail/#",), client_id="fail")
    await asyncio.to_thread(publish, broker.port, [("fail/a", b"x")])
    await intake.reached(1)
    intake.immediate = True
    intake.futures[0].set_exception(UnavailableError("not now", code="pipeline.closing"))
    await intake.reached(2)
    assert source.counters.failed == 1
    await reached(lambda: source.counters.acknowledged == 1)


async def test_an_exception_while_taking_a_message_does_not_end_the_source(
    broker, intake, publish, start_source, reached
):
    source = await start_source(broker.port, topics=("raise/#",), client_id="raise")
    taking, calls = source._take, []

    def broken(message):
        calls.append(message)
        if len(calls) == 1:
            raise RuntimeError("a fault of ours")
        return taking(message)

    source._connection._on_messages = broken
    await asyncio.to_thread(publish, broker.port, [("raise/a", b"x")])
    await intake.reached(1)
    assert intake.payloads == [b"x"]
    assert source.counters.losses == 1


async def test_a_full_queue_pauses_reading_and_loses_nothing(broker, intake, publish, start_source, reached):
    source = await start_source(broker.port, topics=("full/#",), client_id="full", queue=5)
    messages = [("full/a", str(number).encode()) for number in range(300)]
    await asyncio.to_thread(publish, broker.port, messages)
    await intake.reached(300)
    assert intake.payloads == [payload for _, payload in messages]
    await reached(lambda: source.counters.acknowledged == 300)


async def test_the_source_returns_after_a_broker_outage(intake, publish, start_source, reached):
    from api.embedded import EmbeddedBroker

    with EmbeddedBroker() as first:
        source = await start_source(first.port, topics=("out/#",), client_id="out")
        first.stop()
        await reached(lambda: source.counters.losses >= 1)
        with EmbeddedBroker(first.port) as second:
            await reached(lambda: source.counters.connects >= 2)
            await asyncio.to_thread(publish, second.port, [("out/a", b"back")])
            await intake.reached(1)


async def test_a_refused_address_is_reported_and_tried_again(intake):
    from api.embedded import free_port
    from ingest.sources.mqtt import MqttSource
    from ingest.sources.mqtt_settings import MqttSettings

    reports = asyncio.Queue()
    settings = MqttSettings("127.0.0.1", free_port())
    source = MqttSource(settings, intake, on_health=lambda ok, text: reports.put_nowait((ok, text)))
    task = asyncio.create_task(source.run())
    async with asyncio.timeout(20):
        connected, text = await reports.get()
        await reports.get()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not connected
    assert "refused" in text.lower()


async def test_a_stop_waits_for_what_is_on_its_way(broker, intake, publish, start_source, reached):
    intake.immediate = False
    source = await start_source(broker.port, topics=("stop/#",), client_id="stop")
    await asyncio.to_thread(publish, broker.port, [("stop/a", b"x")])
    await intake.reached(1)
    source.task.cancel()
    await asyncio.sleep(0)
    intake.futures[0].set_result(None)
    await asyncio.gather(source.task, return_exceptions=True)
    assert source.counters.acknowledged == 1
