"""Turn the contracts in this directory into the typed Python stubs of `stubs/src`, and prove them current.

    python protos/generate.py                    write the stubs
    python protos/generate.py --check            fail when the committed stubs differ from the contracts
    python protos/generate.py --image FILE       write an image (a FileDescriptorSet) for buf to lint
    python protos/generate.py --release-image    write protos/released.binpb, the base of `buf breaking`

The stubs are committed: who installs Tallybook, or only its stubs, needs no protoc.
"""

import argparse
import filecmp
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import protovalidate
from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from google.type import date_pb2

PROTOS = Path(__file__).resolve().parent
STUBS = PROTOS.parent / "stubs" / "src"
RELEASED_IMAGE = PROTOS / "released.binpb"
# protoc finds `google/type/*.proto` where googleapis-common-protos installed them, beside their modules.
GOOGLE_APIS = Path(date_pb2.__file__).resolve().parents[2]


class ProtocError(Exception):
    """protoc refused the contracts; the message is what it said."""


def main() -> int:
    """Run the command line; the exit status is 1 when the stubs are stale or a contract does not compile."""
    parser = argparse.ArgumentParser(
        description="Turn the contracts into typed stubs, or prove them current."
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="compare, write nothing")
    action.add_argument("--image", type=Path, metavar="FILE", help="write an image for buf lint")
    action.add_argument("--release-image", action="store_true", help="declare these contracts released")
    arguments = parser.parse_args()
    try:
        if arguments.image:
            write_image(arguments.image, with_comments=True)
        elif arguments.release_image:
            write_image(RELEASED_IMAGE, with_comments=False)
            print(f"wrote {RELEASED_IMAGE.name}: from now on `make check` compares the contracts with these")
        elif arguments.check:
            if differences := stale_stubs():
                print(*differences, sep="\n", file=sys.stderr)
                print("The stubs do not match the contracts: make stubs, and commit them.", file=sys.stderr)
                return 1
        else:
            write_stubs()
    except ProtocError as refusal:
        print(refusal, file=sys.stderr)
        return 1
    return 0


def write_stubs() -> None:
    """Replace every generated file below `stubs/src/tallybook`."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(fresh)
        # Removing first makes a renamed or deleted contract take its old stubs along.
        for old in generated_files(STUBS):
            (STUBS / old).unlink()
        for path in generated_files(fresh):
            (STUBS / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fresh / path, STUBS / path)


def stale_stubs() -> list[str]:
    """Say, one line a file, where the committed stubs differ from what the contracts generate now."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(fresh)
        expected, committed = generated_files(fresh), generated_files(STUBS)
        return sorted(
            [f"stubs/src/{path}: missing" for path in expected - committed]
            + [f"stubs/src/{path}: has no contract any more" for path in committed - expected]
            + [
                f"stubs/src/{path}: out of date"
                for path in expected & committed
                if not filecmp.cmp(fresh / path, STUBS / path, shallow=False)
            ]
        )


def generate(destination: Path) -> None:
    """Write messages, services, their types and the packages they live in below `destination`."""
    contracts = all_contracts()
    protoc(contracts, f"--python_out={destination}", f"--mypy_out=quiet:{destination}")
    # For a contract without a service, these would write modules with nothing in them.
    services = [path for path in contracts if re.search(r"^service ", path.read_text(), re.MULTILINE)]
    protoc(services, f"--grpc_python_out={destination}", f"--mypy_grpc_out=quiet:{destination}")
    for directory in sorted(path for path in destination.rglob("*") if path.is_dir()):
        package = ".".join(directory.relative_to(destination).parts)
        (directory / "__init__.py").write_text(f'"""Generated stubs of `{package}`."""\n')


def generated_files(root: Path) -> set[str]:
    """The paths of all stubs below `root`, relative to it. Only py.typed is not generated."""
    return {
        path.relative_to(root).as_posix()
        for path in (root / "tallybook").rglob("*")
        if path.suffix in {".py", ".pyi"}
    }


def write_image(image: Path, *, with_comments: bool) -> None:
    """Compile the contracts and all they import into one FileDescriptorSet."""
    comments = ["--include_source_info"] if with_comments else []
    protoc(all_contracts(), "--include_imports", *comments, f"--descriptor_set_out={image}")


def all_contracts() -> list[Path]:
    """Every .proto file of Tallybook."""
    return sorted(PROTOS.rglob("*.proto"))


def protoc(contracts: list[Path], *arguments: str) -> None:
    """Run protoc on some of the contracts; raise ProtocError with its own words if it refuses."""
    # protoc looks for protoc-gen-mypy on PATH. It is beside the interpreter, whether or not a venv is active.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with tempfile.TemporaryDirectory() as scratch:
        rules = Path(scratch) / "validate.binpb"
        rules.write_bytes(protovalidate_schema().SerializeToString())
        run = subprocess.run(
            [
                *(sys.executable, "-m", "grpc_tools.protoc"),
                *(f"--proto_path={PROTOS}", f"--proto_path={GOOGLE_APIS}", f"--descriptor_set_in={rules}"),
                *arguments,
                *(path.relative_to(PROTOS).as_posix() for path in contracts),
            ],
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode != 0:
        raise ProtocError(run.stderr.strip() or f"protoc failed with status {run.returncode}")


def protovalidate_schema() -> descriptor_pb2.FileDescriptorSet:
    """`buf/validate/validate.proto` as a set with its imports, in the order in which protoc can link them.

    The schema comes out of the installed protovalidate, which is why no copy of the file is kept here; see
    `stubs/src/buf/validate/validate_pb2.py`.
    """
    schema = descriptor_pb2.FileDescriptorSet()
    for imported in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        imported.DESCRIPTOR.CopyToProto(schema.file.add())
    schema.file.add().ParseFromString(protovalidate.ViolationPb.desc().file.proto.to_binary())
    return schema


if __name__ == "__main__":
    sys.exit(main())
