"""The stubs are what the contracts generate, and a client can install them alone."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT, files, from_root, stubs_project

SOURCES = ROOT / "stubs" / "src"
# Top-level packages that the declared dependencies of the stubs bring along, and the stubs themselves.
AVAILABLE_TO_A_CLIENT = sys.stdlib_module_names | {"google", "grpc", "protovalidate", "buf", "tallybook"}


def modules() -> list[Path]:
    """Every module of the distribution tallybook-stubs."""
    return [path for path in files(".py") if path.is_relative_to(SOURCES)]


def imported_packages(module: Path) -> set[str]:
    """The top-level packages that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def lower_bound(distribution: str) -> tuple[int, ...]:
    """The oldest version of a dependency that the stubs accept."""
    dependencies = stubs_project()["project"]["dependencies"]
    (declared,) = [line for line in dependencies if line.startswith(f"{distribution}>=")]
    return _version(declared.partition(">=")[2].partition(",")[0])


def generated_for(pattern: str) -> tuple[int, ...]:
    """The newest runtime that any stub says it was generated for."""
    found = [re.search(pattern, module.read_text(encoding="utf-8")) for module in modules()]
    return max(_version(match[1]) for match in found if match)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def test_the_committed_stubs_are_those_that_the_contracts_generate() -> None:
    pytest.importorskip("grpc_tools", reason="generating stubs needs the development lock")
    check = subprocess.run(
        [sys.executable, ROOT / "protos" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr


def test_the_stubs_import_only_what_a_client_gets_with_them() -> None:
    foreign = {from_root(module): imported_packages(module) - AVAILABLE_TO_A_CLIENT for module in modules()}
    assert not {module: packages for module, packages in foreign.items() if packages}


def test_the_stubs_ask_for_runtimes_new_enough_to_load_them() -> None:
    # Generated code refuses an older grpcio or protobuf when it is imported, so pip has to refuse it first.
    assert lower_bound("grpcio") >= generated_for(r"GRPC_GENERATED_VERSION = '([\d.]+)'")
    assert lower_bound("protobuf") >= generated_for(r"# Protobuf Python Version: ([\d.]+)")


def test_importing_a_stub_makes_its_field_rules_effective() -> None:
    program = (
        "import protovalidate\n"
        "from buf.validate import validate_pb2\n"
        "from tallybook.type.v1 import money_pb2\n"
        "assert validate_pb2.DESCRIPTOR.name == 'buf/validate/validate.proto'\n"
        "assert protovalidate.collect_violations(money_pb2.Money(currency_code='not a currency'))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
