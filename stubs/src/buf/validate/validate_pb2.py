"""The descriptor of `buf/validate/validate.proto`, which the generated stubs import by this name.

Our contracts carry their field rules as options that `buf/validate/validate.proto` defines, so protoc makes
every stub begin with `from buf.validate import validate_pb2`. No wheel provides that module any more:
protovalidate 2 reads google.protobuf messages in place, but ships its own schema only for its own protobuf
runtime. Its schema can be asked for its descriptor, though, and a descriptor is all that an import has to put
into the pool. Taking it from the installed protovalidate, instead of keeping a copy of the .proto file, means
that the rules as declared and the rules as evaluated can never be two versions.

`buf` stays a namespace package (no `__init__.py`), so that it can share the name with other distributions.
"""

import protovalidate
from google.protobuf import descriptor, descriptor_pool

# A file can only join the pool after the files it imports. Importing these modules is what puts them there.
from google.protobuf import descriptor_pb2 as _descriptor_pb2  # noqa: F401
from google.protobuf import duration_pb2 as _duration_pb2  # noqa: F401
from google.protobuf import field_mask_pb2 as _field_mask_pb2  # noqa: F401
from google.protobuf import timestamp_pb2 as _timestamp_pb2  # noqa: F401

SERIALIZED_FILE: bytes = protovalidate.ViolationPb.desc().file.proto.to_binary()

DESCRIPTOR: descriptor.FileDescriptor = descriptor_pool.Default().AddSerializedFile(SERIALIZED_FILE)
