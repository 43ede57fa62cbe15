"""That each process of ours has said how gRPC polls before gRPC is imported, which reads it only then."""

import os
import subprocess
import sys

import pytest

_IMPORTING = """
import importlib, os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "grpc":
            print(os.environ.get("GRPC_EXPERIMENTS"))

sys.meta_path.insert(0, Watch())
importlib.import_module(sys.argv[1])
"""


def _experiments_at_the_import_of_grpc(module: str, environment: dict[str, str]) -> str:
    inherited = {name: value for name, value in os.environ.items() if name != "GRPC_EXPERIMENTS"}
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTING, module],
        env={**inherited, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    "package", ["ledger_service", "audit_service", "batch_service", "console", "benchmarks"]
)
def test_a_process_of_ours_polls_without_the_threads_of_the_event_engine(package: str) -> None:
    experiments = _experiments_at_the_import_of_grpc(f"{package}.__main__", {})
    assert experiments == "-event_engine_client,-event_engine_listener"


def test_who_says_otherwise_in_the_environment_is_obeyed() -> None:
    given = {"GRPC_EXPERIMENTS": "monitoring_experiment"}
    assert _experiments_at_the_import_of_grpc("ledger_service.__main__", given) == "monitoring_experiment"
