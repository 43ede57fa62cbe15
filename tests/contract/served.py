"""The three services as they are wired, and every RPC that their contracts declare."""

import importlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from audit_service.service import AUDIT
from batch_service.service import BATCH
from ledger_service.service import LEDGER
from service_kit.authorisation import Rule, methods_of
from service_kit.errors import SharedReason
from service_kit.server import ServiceDefinition, running_server
from tests.support.databases import NewDatabase

DEFINITIONS: Final[Sequence[ServiceDefinition[Any, Any]]] = (LEDGER, BATCH, AUDIT)
ROLES: Final = ("reader", "poster", "support", "dunning", "operator", "auditor", "producer")
ISSUER: Final = "tests"
AUDIENCE: Final = "tallybook"


@dataclass(frozen=True, slots=True)
class Rpc:
    """One RPC, as its descriptor and its row in the authorisation table have it."""

    path: str
    method: MethodDescriptor
    rule: Rule

    @property
    def streams(self) -> bool:
        """Whether either side sends more than one message."""
        return self.method.client_streaming or self.method.server_streaming

    def request(self) -> Message:
        """An empty request."""
        return message_of(self.method.input_type)


def message_of(descriptor: Descriptor) -> Message:
    """An empty message."""
    return GetMessageClass(descriptor)()


def rpcs_of(definition: ServiceDefinition[Any, Any]) -> list[Rpc]:
    """Every RPC of a service."""
    rules = dict(definition.authorisation)
    methods = methods_of(definition.grpc_services, descriptor_pool.Default())
    return [Rpc(path, method, rules[path]) for path, method in methods.items()]


def own_reasons(definition: ServiceDefinition[Any, Any]) -> set[str]:
    """The reasons in the service's own enum, without their prefix."""
    package = definition.grpc_services[0].rpartition(".")[0]
    name = package.split(".")[1].capitalize()
    # No servicer needs the enum itself, so nobody has imported it yet.
    module = importlib.import_module(f"{package}.error_reason_pb2")
    values = module.DESCRIPTOR.enum_types_by_name[f"{name}ErrorReason"].values
    prefix = f"{name.upper()}_ERROR_REASON_"
    return {value.name.removeprefix(prefix) for value in values if value.number}


def reasons_of(definition: ServiceDefinition[Any, Any]) -> set[str]:
    """All that the service may name."""
    return own_reasons(definition) | set(SharedReason)


class Tokens:
    """Signs tokens that the servers accept."""

    def __init__(self, directory: Path) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.key_file = directory / "tokens.pem"
        public = self._key.public_key()
        self.key_file.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def metadata(
        self, clients: Sequence[int] | str, roles: Sequence[str] = ROLES
    ) -> tuple[tuple[str, str], ...]:
        """The metadata of a caller with these roles, for these clients."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "somebody",
            "exp": 2**33,
            "roles": list(roles),
            "clients": clients,
        }
        return (("authorization", f"Bearer {jwt.encode(claims, self._key, algorithm='EdDSA')}"),)


@asynccontextmanager
async def serving(
    definition: ServiceDefinition[Any, Any], new_database: NewDatabase, tokens: Tokens, **changes: Any
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the service on a database of its own; calls without a token may do everything."""
    assert definition.package is not None
    values: dict[str, Any] = {
        "port": 0,
        "database_url": (await new_database(definition.package)).url,
        "development_principal": True,
        "token_public_key_file": tokens.key_file,
        "token_issuer": ISSUER,
        "token_audience": AUDIENCE,
        # Nobody works on what is begun: a run of the batch would go on after the test.
        **({"workers": 0} if "workers" in definition.settings.model_fields else {}),
        **changes,
    }
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running_server(definition, definition.settings(**values)))
        yield await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{server.port}"))
