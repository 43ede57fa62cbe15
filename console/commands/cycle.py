"""`tallybook cycle`: the daily processes of a client for a business date."""

import typer

from console.commands.batch import finish_sessions, new_request_id
from console.connections import Connections
from console.invocation import Invocation
from console.options import ClientOption, DateOption, JsonOption, WaitOption, day_message
from tallybook.batch.v1.batch_pb2 import BatchSession, RunDailyCycleRequest


def cycle(
    context: typer.Context,
    client: ClientOption,
    business_date: DateOption = None,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run the daily cycle of a client: housekeeping, invoicing, collection, dunning.

    Asking twice for the same date changes nothing: the sessions that exist are shown as they are.
    """

    async def question(services: Connections) -> list[BatchSession]:
        answer = await services.batch.RunDailyCycle(
            RunDailyCycleRequest(
                client_no=client, request_id=new_request_id(), business_date=day_message(business_date)
            )
        )
        return list(answer.sessions)

    invocation = Invocation.of(context)
    finish_sessions(invocation, invocation.ask(question), wait=wait, as_json=as_json)
