"""What was counted of calls, as dashboards ask for it."""

import prometheus_client

from service_kit.call_meters import meters_of

METHOD = {"grpc_service": "tallybook.test.Meters", "grpc_method": "Count"}


def sample(name: str, **labels: str) -> float | None:
    return prometheus_client.REGISTRY.get_sample_value(f"grpc_server_{name}", METHOD | labels)


def test_calls_are_counted_by_code_and_by_how_long_they_took() -> None:
    meters = meters_of("/tallybook.test.Meters/Count")
    assert meters_of("/tallybook.test.Meters/Count") is meters
    assert sample("handling_seconds_count") == 0

    for seconds in (0.0005, 0.001, 0.0011, 7, 61):
        meters.ended("OK", seconds)
    meters.ended("NOT_FOUND", 0.002)

    assert sample("handled_total", grpc_code="OK") == 5
    assert sample("handled_total", grpc_code="NOT_FOUND") == 1
    assert sample("handling_seconds_bucket", le="0.001") == 2
    assert sample("handling_seconds_bucket", le="0.0025") == 4
    assert sample("handling_seconds_bucket", le="5.0") == 4
    assert sample("handling_seconds_bucket", le="10.0") == 5
    assert sample("handling_seconds_bucket", le="60.0") == 5
    assert sample("handling_seconds_bucket", le="+Inf") == 6
    assert sample("handling_seconds_count") == 6
    assert sample("handling_seconds_sum") == 0.0005 + 0.001 + 0.0011 + 7 + 61 + 0.002
