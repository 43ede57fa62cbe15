"""Who may call what: a table with one row for each RPC. What is not in the table can't be called, nor
started.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from service_kit.errors import DomainError, ErrorKind, SharedReason
from service_kit.principal import Principal


class ClientScope(Enum):
    """How a call is bound to the clients that the caller may act for."""

    FROM_REQUEST = auto()
    """The request, or each message of a client stream that has one set, names a `client_no`; it must be
    allowed.
    """
    NONE = auto()
    """The RPC belongs to no client, or its servicer asks `current_principal().require_client` itself."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call one RPC: anybody with one of `roles`, within `client_scope`. `public` needs no
    credential.
    """

    roles: frozenset[str] = field(default_factory=frozenset)
    client_scope: ClientScope = ClientScope.FROM_REQUEST
    public: bool = False

    def __post_init__(self) -> None:
        if self.public and (self.roles or self.client_scope is not ClientScope.NONE):
            raise ValueError("a public RPC has no roles and no client scope, since nobody is verified")
        if not self.public and not self.roles:
            raise ValueError("a rule needs at least one role, or nobody can call the RPC")

    def require_role(self, principal: Principal, method: str) -> None:
        """DomainError PERMISSION_DENIED, reason ROLE_MISSING, when the principal has none of the roles."""
        if self.roles.isdisjoint(principal.roles) and principal.roles.isdisjoint(self.roles):
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
    "/grpc.health.v1.Health/List": PUBLIC,
    "/grpc.health.v1.Health/Watch": PUBLIC,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": PUBLIC,
}


class AuthorisationError(Exception):
    """The table and the contracts don't match; the message names every RPC concerned. The server must not
    start.
    """


class AuthorisationTable:
    """The rules of a service by full method name, e.g.
    "/tallybook.ledger.v1.LedgerService/PostTransactions".
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = dict(rules)

    def __iter__(self) -> Iterator[tuple[str, Rule]]:
        return iter(self._rules.items())

    def including(self, rules: Mapping[str, Rule]) -> "AuthorisationTable":
        """This table and further rows."""
        return AuthorisationTable({**self._rules, **rules})

    def rule_of(self, method: str) -> Rule | None:
        """The rule of a full method name; None means that nobody may call it."""
        return self._rules.get(method)

    def check(self, services: Iterable[str], pool: DescriptorPool) -> None:
        """Raise AuthorisationError unless the rows are exactly the RPCs of `services` (full names), and fit
        them.
        """
        methods = {_path(method): method for service in services for method in _methods(pool, service)}
        faults = [f"{method} has no rule" for method in methods if method not in self._rules]
        faults += [
            f"{method} has a rule but is no RPC of this server"
            for method in self._rules
            if method not in methods
        ]
        faults += [
            f"{path} takes its client from the request, but {method.input_type.full_name} has no client_no"
            for path, method in methods.items()
            if path in self._rules
            and self._rules[path].client_scope is ClientScope.FROM_REQUEST
            and "client_no" not in method.input_type.fields_by_name
        ]
        if faults:
            raise AuthorisationError(
                "the authorisation table does not fit the contracts: " + "; ".join(sorted(faults))
            )


def _methods(pool: DescriptorPool, service: str) -> list[MethodDescriptor]:
    return list(pool.FindServiceByName(service).methods)


def _path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"
