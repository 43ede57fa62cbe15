"""The processes are those of the reference table: number, name, order and dependencies."""

from unittest.mock import Mock

from sqlalchemy.ext.asyncio import AsyncEngine

from batch_service.processes.registry import ProcessResources, batch_processes
from service_kit.clock import SystemClock

# The reference table of processes: number, name, numbers of what each depends on. The Universal Activity
# Loader has no number. Those that are not built yet are served by nobody.
REFERENCE = [
    (3, "Pre-invoice housekeeping", []),
    (22, "Invoicer", [3]),
    (23, "Billing Manager", [22]),
    (24, "Statement Manager", [23]),
    (25, "Mailer", [24]),
    (26, "Dunning Manager", [23]),
    (2, "Credit Card Expiration Notification", []),
    (0, "Universal Activity Loader", []),
]
NOT_BUILT_YET = {24, 25, 2}


def test_the_processes_are_those_of_the_reference_table() -> None:
    resources = ProcessResources(
        engine=Mock(spec=AsyncEngine), clock=SystemClock(), ledger_channel=None, gateway_channel=None
    )
    processes = list(batch_processes(resources))
    number_of = {process.code: process.batch_no for process in processes}
    served = [
        (process.batch_no, process.name, [number_of[code] for code in process.depends_on])
        for process in processes
    ]
    assert served == [row for row in REFERENCE if row[0] not in NOT_BUILT_YET]


def test_the_short_names_are_those_of_the_contract() -> None:
    resources = ProcessResources(
        engine=Mock(spec=AsyncEngine), clock=SystemClock(), ledger_channel=None, gateway_channel=None
    )
    assert [(process.code, process.in_daily_cycle) for process in batch_processes(resources)] == [
        ("housekeeping", True),
        ("invoicer", True),
        ("billing_manager", True),
        ("dunning_manager", True),
        ("activity_loader", False),
    ]
