"""Answers that are bytes already, mostly since they are stored under the key of their call.

They go out as they are. Whoever repeats a call gets the very bytes of the first answer.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from google.protobuf.message import Message

Answer = TypeVar("Answer", bound=Message)


def ready_answer(content: bytes, _kind: type[Answer]) -> Answer:
    """What a servicer returns whose answer is serialised: the bytes, which only gRPC looks at, in place of a
    message of this kind.
    """
    return cast(Answer, content)


def serialised_once(serializer: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """`serializer` of the answers of an RPC, but bytes are left as they are."""

    def serialise(answer: Any) -> bytes:
        return answer if type(answer) is bytes else serializer(answer)

    return serialise
