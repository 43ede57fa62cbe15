"""That each process of ours says how gRPC polls before gRPC is imported, which reads it only then."""

import os
import subprocess
import sys

import pytest

_PACKAGES = ["ledger_service", "audit_service", "batch_service", "console", "benchmarks", "tests"]

_IMPORTING = """
import importlib, os, sys

importlib.import_module(sys.argv[1])
assert "grpc" not in sys.modules, "imported by then"
print(os.environ.get("GRPC_EXPERIMENTS"))
"""


def _experiments_before_grpc(package: str, environment: dict[str, str]) -> str:
    """What the environment says once the package, of which a module is about to be run, is imported."""
    inherited = {name: value for name, value in os.environ.items() if name != "GRPC_EXPERIMENTS"}
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTING, package],
        env={**inherited, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("package", _PACKAGES)
def test_a_process_of_ours_polls_sockets_without_the_event_engine(package: str) -> None:
    assert _experiments_before_grpc(package, {}) == "-event_engine_client,-event_engine_listener"


def test_who_says_otherwise_in_the_environment_is_obeyed() -> None:
    given = {"GRPC_EXPERIMENTS": "monitoring_experiment"}
    assert _experiments_before_grpc("ledger_service", given) == "monitoring_experiment"
