"""python -m service_kit.health_check TARGET: exit status 0 when the server there serves, 1 when it does not.

For the health checks of container engines: it asks grpc.health.v1.Health, which needs no token.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def main(arguments: list[str] | None = None) -> int:
    """Ask once; what was wrong goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m service_kit.health_check", description=__doc__)
    parser.add_argument("target", help="host:port")
    parser.add_argument("--tls-root-file", type=Path, help="the certificates (PEM) that vouch for the server")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to wait for the answer")
    given = parser.parse_args(arguments)
    try:
        status = _ask(given.target, given.tls_root_file, given.seconds)
    except (grpc.RpcError, OSError) as failure:
        why = (
            f"{failure.code().name}: {failure.details()}" if isinstance(failure, grpc.Call) else str(failure)
        )
        sys.stderr.write(f"{given.target} does not answer: {why}\n")
        return 1
    if status != health_pb2.HealthCheckResponse.SERVING:
        name = health_pb2.HealthCheckResponse.ServingStatus.Name(status)
        sys.stderr.write(f"{given.target} answers, but is {name}\n")
        return 1
    return 0


def _ask(target: str, tls_root_file: Path | None, seconds: float) -> int:
    if tls_root_file is None:
        channel = grpc.insecure_channel(target)
    else:
        channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(tls_root_file.read_bytes()))
    with channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        status: int = stub.Check(health_pb2.HealthCheckRequest(), timeout=seconds, wait_for_ready=True).status
        return status


if __name__ == "__main__":
    sys.exit(main())
