"""Who may call what, and for whom."""

import pytest
from google.protobuf import descriptor_pool

from service_kit.authorisation import (
    INFRASTRUCTURE_RULES,
    PUBLIC,
    AuthorisationError,
    AuthorisationTable,
    ClientScope,
    Rule,
)
from service_kit.errors import DomainError, ErrorKind
from service_kit.principal import ALL_CLIENTS, ALL_ROLES, DEVELOPMENT_PRINCIPAL, Principal, current_principal
from tests.support.echo_service.contract import ECHO_SERVICE
from tests.support.echo_service.service import ECHO_RULES

POOL = descriptor_pool.Default()


def rules_but(**changes: Rule | None) -> AuthorisationTable:
    """The echo service's table with rows changed, added or (None) removed."""
    rules = dict(ECHO_RULES)
    for name, rule in changes.items():
        if rule is None:
            del rules[f"/{ECHO_SERVICE}/{name}"]
        else:
            rules[f"/{ECHO_SERVICE}/{name}"] = rule
    return AuthorisationTable(rules)


def test_a_table_that_has_every_rpc_fits() -> None:
    ECHO_RULES.check([ECHO_SERVICE], POOL)


def test_an_rpc_without_a_rule_is_named() -> None:
    with pytest.raises(AuthorisationError, match=r"/tallybook.test.v1.EchoService/Echo has no rule"):
        rules_but(Echo=None).check([ECHO_SERVICE], POOL)


def test_a_rule_without_an_rpc_is_named() -> None:
    with pytest.raises(AuthorisationError, match=r"EchoService/Ecko has a rule but is no RPC"):
        rules_but(Ecko=Rule(frozenset({"a"}))).check([ECHO_SERVICE], POOL)


def test_every_fault_of_a_table_is_named_at_once() -> None:
    table = rules_but(Echo=None, Count=None)
    with pytest.raises(AuthorisationError, match=r"Count has no rule; .*Echo has no rule"):
        table.check([ECHO_SERVICE], POOL)


@pytest.mark.parametrize("field", ["client_no", "file.acct_no", "line.client_no", "files.client_no"])
def test_a_client_can_only_be_taken_from_a_field_that_the_request_has(field: str) -> None:
    with pytest.raises(AuthorisationError, match=f"takes its client from {field}, not in"):
        rules_but(Upload=Rule(frozenset({"a"}), client_field=field)).check([ECHO_SERVICE], POOL)


def test_health_and_reflection_are_public_by_rows_of_their_own() -> None:
    AuthorisationTable(INFRASTRUCTURE_RULES).check(
        ["grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"], POOL
    )
    assert all(rule.public for rule in INFRASTRUCTURE_RULES.values())


def test_a_rule_that_nobody_fulfils_is_a_fault_of_the_program() -> None:
    with pytest.raises(ValueError, match="at least one role"):
        Rule()


def test_a_public_rule_can_ask_for_nothing() -> None:
    with pytest.raises(ValueError, match="no roles and no client scope"):
        Rule(frozenset({"a"}), ClientScope.NONE, public=True)
    with pytest.raises(ValueError, match="no roles and no client scope"):
        Rule(public=True)
    assert PUBLIC.public


@pytest.mark.parametrize("roles", [{"poster"}, {"support"}, {"poster", "reader"}])
def test_one_of_the_roles_is_enough(roles: set[str]) -> None:
    rule = Rule(frozenset({"poster", "support"}))
    rule.require_role(Principal("p", frozenset(roles)), "/S/M")


@pytest.mark.parametrize("roles", [set(), {"reader"}, {"Poster"}])
def test_who_has_none_of_the_roles_is_told_which_would_do(roles: set[str]) -> None:
    rule = Rule(frozenset({"poster", "support"}))
    with pytest.raises(DomainError, match="needs one of the roles poster, support") as refused:
        rule.require_role(Principal("p", frozenset(roles)), "/S/M")
    assert refused.value.kind is ErrorKind.PERMISSION_DENIED
    assert refused.value.reason == "ROLE_MISSING"
    assert refused.value.metadata["acceptable_roles"] == "poster, support"


def test_a_principal_acts_for_its_clients_only() -> None:
    principal = Principal("p", frozenset(), frozenset({1, 3}))
    assert [client for client in range(5) if principal.may_act_for(client)] == [1, 3]
    with pytest.raises(DomainError, match="p may not act for client 2") as refused:
        principal.require_client(2)
    assert refused.value.reason == "CLIENT_NOT_ALLOWED"
    assert refused.value.metadata == {"client_no": "2"}


def test_a_principal_without_clients_acts_for_none() -> None:
    assert not Principal("p", frozenset()).may_act_for(1)


def test_only_who_acts_for_all_clients_may_leave_the_client_out() -> None:
    Principal("p", frozenset(), ALL_CLIENTS).require_client(0)
    with pytest.raises(DomainError, match="name a client_no"):
        Principal("p", frozenset(), frozenset({1})).require_client(0)


def test_the_development_principal_has_every_role_and_client() -> None:
    assert DEVELOPMENT_PRINCIPAL.has_role("whatever")
    assert DEVELOPMENT_PRINCIPAL.may_act_for(123456)
    Rule(frozenset({"poster"})).require_role(DEVELOPMENT_PRINCIPAL, "/S/M")
    assert "whatever" in ALL_ROLES


def test_outside_of_a_call_there_is_no_principal() -> None:
    with pytest.raises(DomainError) as refused:
        current_principal()
    assert refused.value.kind is ErrorKind.UNAUTHENTICATED
