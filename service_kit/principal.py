"""Who is calling: the principal of the current call, and for which clients it may act."""

from collections.abc import Container
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

from service_kit.errors import DomainError, ErrorKind, SharedReason


class AllClients:
    """The set of every client there is and will be; `ALL_CLIENTS` is its only value."""

    def __contains__(self, client_no: object) -> bool:
        return True

    def __repr__(self) -> str:
        return "ALL_CLIENTS"


ALL_CLIENTS: Final = AllClients()


class AllRoles(frozenset[str]):
    """The set of every role there is and will be, for development only; `ALL_ROLES` is its only value."""

    def __contains__(self, role: object) -> bool:
        return True

    def isdisjoint(self, other: object) -> bool:
        """Never: it has whatever role is asked for."""
        return False

    def __repr__(self) -> str:
        return "ALL_ROLES"


ALL_ROLES: Final = AllRoles()


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller: its name (`sub`), its roles, and the clients (tenants) it may name."""

    subject: str
    roles: frozenset[str]
    clients: frozenset[int] | AllClients = field(default_factory=frozenset)

    def has_role(self, role: str) -> bool:
        """Whether it has `role`."""
        return role in self.roles

    def may_act_for(self, client_no: int) -> bool:
        """Whether it may read and write what belongs to client `client_no`.

        0 is what a request holds that names no client; so only who may act for all clients may act for 0.
        """
        clients: Container[int] = self.clients
        return client_no in clients

    def require_client(self, client_no: int) -> None:
        """DomainError PERMISSION_DENIED, reason CLIENT_NOT_ALLOWED, when it may not act for `client_no`."""
        if client_no not in self.clients:
            advice = (
                f"may not act for client {client_no}: use a credential that names this client"
                if client_no
                else "may not act for all clients: name a client_no in the request"
            )
            raise DomainError(
                ErrorKind.PERMISSION_DENIED,
                SharedReason.CLIENT_NOT_ALLOWED,
                f"{self.subject} {advice}",
                metadata={"client_no": str(client_no)},
            )


DEVELOPMENT_PRINCIPAL: Final = Principal("developer", ALL_ROLES, ALL_CLIENTS)

CURRENT_PRINCIPAL: Final[ContextVar[Principal]] = ContextVar("tallybook_principal")


def current_principal() -> Principal:
    """The caller of the RPC that is being served in this task (tasks it starts inherit it).

    Raises DomainError UNAUTHENTICATED outside of a call and in a public RPC, where nobody was verified.
    """
    try:
        return CURRENT_PRINCIPAL.get()
    except LookupError:
        raise DomainError(
            ErrorKind.UNAUTHENTICATED, SharedReason.CREDENTIALS_MISSING, "nobody was verified for this call"
        ) from None
