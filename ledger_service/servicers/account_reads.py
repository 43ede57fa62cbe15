"""The reading half of AccountService."""

from sqlalchemy.ext.asyncio import AsyncEngine

from tallybook.ledger.v1 import account_pb2_grpc


class AccountReads(account_pb2_grpc.AccountServiceServicer):
    """What reads accounts; not there yet."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
