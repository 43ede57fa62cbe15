"""Where the audit service is wired."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from audit_service.authorisation import AUTHORISATION
from audit_service.sequencer import running_sequencer
from audit_service.servicers.audit import AuditServicer
from audit_service.settings import AuditSettings
from audit_service.store_search import AuditSearch
from service_kit.database import create_engine
from service_kit.server import ServiceDefinition
from tallybook.audit.v1.audit_pb2_grpc import add_AuditServiceServicer_to_server


@asynccontextmanager
async def lifespan(settings: AuditSettings) -> AsyncIterator[AuditServicer]:
    """Open the database and start the sequencer; close both after the last call."""
    engine = create_engine(settings, name="audit")
    try:
        async with running_sequencer(engine) as sequencer:
            yield AuditServicer(sequencer, AuditSearch(engine))
    finally:
        await engine.dispose()


AUDIT: Final = ServiceDefinition(
    name="audit",
    error_domain="audit.tallybook",
    package="audit_service",
    grpc_services=("tallybook.audit.v1.AuditService",),
    settings=AuditSettings,
    authorisation=AUTHORISATION,
    lifespan=lifespan,
    add_servicers=add_AuditServiceServicer_to_server,
)
