"""VerificationService: proves the books of a client."""

from sqlalchemy.ext.asyncio import AsyncEngine

from tallybook.ledger.v1 import verification_pb2_grpc


class VerificationServicer(verification_pb2_grpc.VerificationServiceServicer):
    """Proves the books of a client; not there yet."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
