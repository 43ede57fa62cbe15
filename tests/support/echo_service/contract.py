"""The echo contract, compiled when it is imported: it is no contract of Tallybook, so it has no stubs."""

import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import protovalidate
from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from grpc_tools import protoc  # type: ignore[import-untyped]

ECHO_SERVICE = "tallybook.test.v1.EchoService"


def _compile() -> tuple[Any, Any]:
    schema = descriptor_pb2.FileDescriptorSet()
    for imported in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        imported.DESCRIPTOR.CopyToProto(schema.file.add())
    schema.file.add().ParseFromString(protovalidate.ViolationPb.desc().file.proto.to_binary())
    with tempfile.TemporaryDirectory() as scratch:
        rules = Path(scratch) / "validate.binpb"
        rules.write_bytes(schema.SerializeToString())
        status = protoc.main(
            [
                "protoc",
                f"--proto_path={Path(__file__).parent}",
                f"--descriptor_set_in={rules}",
                f"--python_out={scratch}",
                f"--grpc_python_out={scratch}",
                "echo.proto",
            ]
        )
        assert status == 0, "echo.proto does not compile"
        sys.path.insert(0, scratch)
        try:
            return import_module("echo_pb2"), import_module("echo_pb2_grpc")
        finally:
            sys.path.remove(scratch)


echo_pb2, echo_pb2_grpc = _compile()
