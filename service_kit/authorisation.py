"""Who may call what: a table with a row for each RPC. A missing row keeps the server from starting."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from service_kit.errors import DomainError, ErrorKind, SharedReason
from service_kit.principal import Principal


class ClientScope(Enum):
    """How a call is bound to the clients that the caller may act for."""

    FROM_REQUEST = auto()
    """The request names its client, and the caller must be allowed to act for it. In a client stream the
    first message names it, and each further one that names one is checked too."""
    NONE = auto()
    """The RPC belongs to no client, or its servicer asks `current_principal().require_client` itself."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call one RPC: anybody with one of `roles`, within `client_scope`.

    public: nobody is asked who they are.
    client_field: where a request names its client, when not at the top: "file.client_no".
    """

    roles: frozenset[str] = field(default_factory=frozenset)
    client_scope: ClientScope = ClientScope.FROM_REQUEST
    public: bool = False
    client_field: str = "client_no"

    def __post_init__(self) -> None:
        if self.public and (self.roles or self.client_scope is not ClientScope.NONE):
            raise ValueError("a public RPC has no roles and no client scope, since nobody is verified")
        if not self.public and not self.roles:
            raise ValueError("a rule needs at least one role, or nobody can call the RPC")

    def require_role(self, principal: Principal, method: str) -> None:
        """DomainError PERMISSION_DENIED, reason ROLE_MISSING, when the principal has none of the roles."""
        if not principal.roles.isdisjoint(self.roles):
            return
        acceptable = ", ".join(sorted(self.roles))
        raise DomainError(
            ErrorKind.PERMISSION_DENIED,
            SharedReason.ROLE_MISSING,
            f"{principal.subject} may not call {method}: it needs one of the roles {acceptable}",
            metadata={"method": method, "acceptable_roles": acceptable},
        )


PUBLIC: Final = Rule(client_scope=ClientScope.NONE, public=True)

# Probes and tools such as grpcurl come without a credential; what they learn is public: the contracts are.
INFRASTRUCTURE_RULES: Final[Mapping[str, Rule]] = {
    "/grpc.health.v1.Health/Check": PUBLIC,
    "/grpc.health.v1.Health/Watch": PUBLIC,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": PUBLIC,
}


class AuthorisationError(Exception):
    """The table and the contracts don't match, so the server must not start; the message names every RPC."""


class AuthorisationTable:
    """The rules of a service by the path of the RPC, "/tallybook.ledger.v1.LedgerService/GetAccount"."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = dict(rules)

    def __iter__(self) -> Iterator[tuple[str, Rule]]:
        return iter(self._rules.items())

    def including(self, rules: Mapping[str, Rule]) -> "AuthorisationTable":
        """This table and further rows."""
        return AuthorisationTable({**self._rules, **rules})

    def rule_of(self, path: str) -> Rule | None:
        """The rule of an RPC; None means that nobody may call it."""
        return self._rules.get(path)

    def check(self, services: Iterable[str], pool: DescriptorPool) -> None:
        """AuthorisationError unless the rows are the RPCs of `services` (full names), no more and no less."""
        methods = methods_of(services, pool)
        faults = [f"{path} has no rule" for path in methods if path not in self._rules]
        for path, rule in self._rules.items():
            if path not in methods:
                faults.append(f"{path} has a rule but is no RPC of this server")
            elif rule.client_scope is ClientScope.FROM_REQUEST:
                request = methods[path].input_type
                if not _has_field(request, rule.client_field):
                    faults.append(
                        f"{path} takes its client from {rule.client_field}, not in {request.full_name}"
                    )
        if faults:
            raise AuthorisationError("the authorisation table does not fit: " + "; ".join(sorted(faults)))


def methods_of(services: Iterable[str], pool: DescriptorPool) -> dict[str, MethodDescriptor]:
    """The RPCs of services, given by their full names, by path."""
    return {
        f"/{service}/{method.name}": method
        for service in services
        for method in pool.FindServiceByName(service).methods
    }


def _has_field(message: Descriptor | None, path: str) -> bool:
    name, _, rest = path.partition(".")
    if message is None or name not in message.fields_by_name:
        return False
    return not rest or _has_field(message.fields_by_name[name].message_type, rest)
