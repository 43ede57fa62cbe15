"""python -m tests.support.echo_service: the echo service in a process of its own."""

import sys

from service_kit.cli import main
from tests.support.echo_service.service import EchoServicer, echo_definition

if __name__ == "__main__":
    sys.exit(main(echo_definition(EchoServicer(), package="tests.support.echo_service")))
