"""What the ledger tells the audit service: one event for each commit group, for each thing that is opened,
applied or set up otherwise, and for each call that closes statements.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import uuid4

from ledger_service.rules.closed_statements import ClosedStatement
from ledger_service.rules.commit_groups import Accepted, CommitGroup, Posted
from ledger_service.rules.postings import AccountOpening
from service_kit.dates import instant_to_proto
from service_kit.outbox import OutboxEvent
from tallybook.audit.v1 import audit_event_pb2

PRODUCER: Final = "ledger"
SEVERAL: Final = "several"


def events_of(group: CommitGroup, accepted: Sequence[Posted]) -> list[OutboxEvent]:
    """The events of a group, each serialised once."""
    documents = [each for each in accepted if isinstance(each, Accepted)]
    events = [_opening_event(group, each) for each in documents if each.decision.opening is not None]
    events += [_application_event(group, each) for each in documents if each.applications]
    if group.transactions:
        events.append(_group_event(group))
    return events


def statements_event(closed: Sequence[ClosedStatement], actor: str, occurred_at: datetime) -> OutboxEvent:
    """The event of a call that closed statements, whose numbers are one block."""
    first, last = closed[0].statement_no, closed[-1].statement_no
    numbers = str(first) if first == last else f"{first}-{last}"
    return _sealed(
        audit_event_pb2.AuditEvent(
            producer=PRODUCER,
            event_type="ledger.closed_statement",
            occurred_at=instant_to_proto(occurred_at),
            client_no=closed[0].client_no,
            actor=actor,
            summary=f"{len(closed)} statement{'s' if len(closed) != 1 else ''} closed up to"
            f" {closed[0].period_end}: {numbers}",
            entity_changed=audit_event_pb2.EntityChanged(
                entity_type="closed_statement", entity_id=numbers, action="created"
            ),
        )
    )


def _sealed(event: audit_event_pb2.AuditEvent) -> OutboxEvent:
    event_id = uuid4()
    event.event_id = str(event_id)
    return OutboxEvent(event_id, event.SerializeToString(deterministic=True))


def _group_event(group: CommitGroup) -> OutboxEvent:
    clients = [part.client_no for part in group.parts]
    actors = sorted({actor for part in group.parts for actor in part.actors})
    count = len(group.transactions)
    event = audit_event_pb2.AuditEvent(
        producer=PRODUCER,
        event_type="ledger.commit_group",
        occurred_at=instant_to_proto(group.created_at),
        client_no=clients[0] if len(clients) == 1 else 0,
        actor=actors[0] if len(actors) == 1 else SEVERAL,
        summary=f"{count} transaction{'s' if count != 1 else ''} posted: events {group.first_event_no} to "
        f"{group.last_event_no}",
        commit_group_posted=audit_event_pb2.CommitGroupPosted(
            group_no=group.group_no,
            first_event_no=group.first_event_no,
            last_event_no=group.last_event_no,
            transactions=count,
            digest=group.digest,
            clients=[
                audit_event_pb2.ClientPosting(
                    client_no=part.client_no, transactions=part.transactions, actors=part.actors
                )
                for part in group.parts
            ],
        ),
    )
    return _sealed(event)


def _application_event(group: CommitGroup, accepted: Accepted) -> OutboxEvent:
    order = accepted.decision.application
    assert order is not None
    event = audit_event_pb2.AuditEvent(
        producer=PRODUCER,
        event_type="ledger.application",
        occurred_at=instant_to_proto(group.created_at),
        client_no=accepted.client_no,
        actor=accepted.actor,
        summary=f"credit {order.credit_event_no} applied to {len(accepted.applications)} charges",
        entity_changed=audit_event_pb2.EntityChanged(
            entity_type="transaction", entity_id=str(order.credit_event_no), action="applied"
        ),
    )
    return _sealed(event)


def entity_event(
    occurred_at: datetime, client_no: int, actor: str, change: tuple[str, str, str], summary: str
) -> OutboxEvent:
    """The event of something that changed: of which type it is, which one, and what was done to it."""
    entity_type, entity_id, action = change
    return _sealed(
        audit_event_pb2.AuditEvent(
            producer=PRODUCER,
            event_type=f"ledger.{entity_type}",
            occurred_at=instant_to_proto(occurred_at),
            client_no=client_no,
            actor=actor,
            summary=summary,
            entity_changed=audit_event_pb2.EntityChanged(
                entity_type=entity_type, entity_id=entity_id, action=action
            ),
        )
    )


def _opening_event(group: CommitGroup, accepted: Accepted) -> OutboxEvent:
    opening = accepted.decision.opening
    if isinstance(opening, AccountOpening):
        entity_type, entity_id = "account", accepted.acct_no
    else:
        entity_type, entity_id = "plan_instance", accepted.plan_instance_nos[0]
    return entity_event(
        group.created_at,
        accepted.client_no,
        accepted.actor,
        (entity_type, str(entity_id), "created"),
        f"{entity_type.replace('_', ' ')} {entity_id} opened",
    )
