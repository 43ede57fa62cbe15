"""The rules' reasons are the contract's."""

from audit_service.rules.reasons import AuditReason
from tallybook.audit.v1.error_reason_pb2 import AuditErrorReason


def test_the_reasons_are_those_of_the_contract() -> None:
    names = [name.removeprefix("AUDIT_ERROR_REASON_") for name in AuditErrorReason.keys()]  # noqa: SIM118
    assert [*AuditReason] == [name for name in names if name != "UNSPECIFIED"]
