"""What happens to every call around its servicer, for all four kinds of RPC.

In this order: the call gets its trace id; its caller is verified and must have a role; it is refused while
the server starts; each request must name a client that the caller may act for, and keep the contract's field
rules; a deadline limits it; what fails becomes a rich status; and at the end it is counted and logged, once.

It is the one handler of the server, and no interceptor, because it is on the way of every posting: gRPC
awaits each interceptor anew for each call, whereas this wraps each method once.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter
from typing import Any, Final, NoReturn, TypeAlias

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message

from service_kit.authentication import TokenVerifier
from service_kit.authorisation import ClientScope, Rule
from service_kit.call_meters import IN_FLIGHT, MethodMeters, meters_of
from service_kit.call_record import CallRecord, trace_id_of
from service_kit.error_status import STATUS_CODES, STATUS_DETAILS_KEY, to_status
from service_kit.errors import DomainError, ErrorKind, SharedReason
from service_kit.failures import as_domain_error
from service_kit.logs import CURRENT_TRACE_ID
from service_kit.principal import CURRENT_PRINCIPAL, DEVELOPMENT_PRINCIPAL, Principal
from service_kit.ready_answers import serialised_once
from service_kit.request_validation import require_valid
from service_kit.time_limits import TimeLimit

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Behaviour: TypeAlias = Callable[[Any, Context], Awaitable[Any]]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Metadata: TypeAlias = Iterable[tuple[str, Any]]

_TRACE_ID_KEY: Final = "x-trace-id"
# A caller whose deadline passes cancels the call, and its clock is a little ahead of ours.
_BLUR_SECONDS: Final = 0.05
_STREAMING: Final = {False: "unary", True: "stream"}


# These two are told, never raised: an error that is raised twice keeps the frames of both times.
_STOPPING_ERROR: Final = DomainError(
    ErrorKind.UNAVAILABLE,
    SharedReason.SERVICE_STOPPING,
    "the service is stopping: send the same request again, to another server or later",
    retry_after=timedelta(seconds=1),
)
_TOO_LATE: Final = DomainError(
    ErrorKind.DEADLINE_EXCEEDED,
    SharedReason.DEADLINE_EXCEEDED,
    "the call took longer than this server allows without a deadline: set a deadline, or ask for less",
)


async def _answer_that_we_start(_request: Any, _context: Context) -> NoReturn:
    raise DomainError(
        ErrorKind.UNAVAILABLE,
        SharedReason.SERVICE_STARTING,
        "the service is starting: send the same request again later",
        retry_after=timedelta(seconds=1),
    )


# Of the most general kind and without codecs: it reads nothing, and answers nothing but a status.
_STARTING: Final[Handler] = grpc.stream_stream_rpc_method_handler(_answer_that_we_start)


@dataclass(frozen=True, slots=True)
class Method:
    """What is known of an RPC before it is called.

    deadline: seconds, where the caller sets none; None for no limit.
    """

    path: str
    rule: Rule
    deadline: float | None
    client_of: Callable[[Message], int] | None
    request_id_of: Callable[[Message], str] | None
    meters: MethodMeters
    log: structlog.typing.FilteringBoundLogger

    @classmethod
    def of(cls, path: str, descriptor: MethodDescriptor, rule: Rule, deadline: float | None) -> "Method":
        """The facts of an RPC, from its contract and from its row in the authorisation table."""
        fields = descriptor.input_type.fields_by_name
        from_request = rule.client_scope is ClientScope.FROM_REQUEST
        return cls(
            path=path,
            rule=rule,
            deadline=deadline,
            client_of=attrgetter(rule.client_field) if from_request else None,
            request_id_of=attrgetter("request_id") if "request_id" in fields else None,
            meters=meters_of(path),
            log=structlog.get_logger().bind(),
        )


class CallHandler(grpc.GenericRpcHandler):
    """Finds the handler of a call, and stands around it; see the module.

    It takes what the generated `add_..._to_server` register, before the server starts or after. Until then
    their calls are answered SERVICE_STARTING.

    verifier: None on a loopback server for development, where `development_principal` stands in.
    """

    def __init__(
        self,
        *,
        error_domain: str,
        methods: Mapping[str, Method],
        verifier: TokenVerifier | None,
        development_principal: bool,
    ) -> None:
        self._error_domain = error_domain
        self._verifier = verifier
        self._anonymous = DEVELOPMENT_PRINCIPAL if development_principal else None
        self._running: set[CallRecord] = set()
        IN_FLIGHT.set_function(lambda: len(self._running))
        self._limits: dict[float, TimeLimit] = {}
        self._endless = TimeLimit(None, _STOPPING_ERROR)
        # A deadline of the caller's is gRPC's business, which cancels the task when it passes: so nobody ever
        # cuts the calls that have one, and this is here for those who limit and lift.
        self._callers_limit = TimeLimit(None, _TOO_LATE)
        self._idle = asyncio.Event()
        self._idle.set()
        self._methods = methods
        self._unregistered = set(methods)
        self._handlers = {path: self._wrap(method, _STARTING) for path, method in methods.items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """The handler of a call. What has no rule does not exist: UNIMPLEMENTED, in gRPC's own words."""
        return self._handlers.get(handler_call_details.method)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """The methods of a service, by name: what generated code calls on a server."""
        for name, handler in handlers.items():
            path = f"/{service}/{name}"
            if path in self._methods:
                self._unregistered.discard(path)
                self._handlers[path] = self._wrap(self._methods[path], handler)

    def add_generic_rpc_handlers(self, _handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """The same service again, as something to ask for each call: they are known by their names."""

    def require_all_registered(self) -> None:
        """AssertionError if there are methods that nobody has registered, whose calls would wait for ever."""
        assert not self._unregistered, f"add_servicers does not register {', '.join(self._unregistered)}"

    def cut_endless(self) -> None:
        """End the calls that never end by themselves, since the server is to stop: UNAVAILABLE."""
        self._endless.cut_all()

    async def wait_until_idle(self) -> None:
        """Return once no call is running."""
        await self._idle.wait()

    def _wrap(self, method: Method, handler: Handler) -> Handler:
        """`handler` with everything around it; of the same kind, since gRPC encodes by kind."""
        kind, inner = _kind_and_behaviour(handler)
        request_streaming, response_streaming = handler.request_streaming, handler.response_streaming
        own_limit = self._limit_of(method)

        async def serve(request: Any, context: Context) -> Any:
            metadata = context.invocation_metadata() or ()
            call = self._begin(method, context, metadata)
            is_ours = method.deadline is None or context.time_remaining() is None
            limit = own_limit if is_ours else self._callers_limit
            limit.begin(call)
            try:
                if not method.rule.public:
                    self._authorise(method, call, metadata)
                if request_streaming:
                    request = self._admitted(method, call, request)
                else:
                    self._admit(method, call, request)
                answer = inner(request, context)
                answer = await (_stream(answer, context) if response_streaming else answer)
            except (Exception, asyncio.CancelledError) as failure:  # noqa: BLE001  # nothing may leave as UNKNOWN
                limit.lift(call)
                await self._refuse(call, context, failure)
            finally:
                limit.lift(call)
                self._leave(call)
            call.end(grpc.StatusCode.OK)
            if call.request_id:  # by which the caller finds its line in the log
                context.set_trailing_metadata(())
            return answer

        deserializer, serializer = handler.request_deserializer, handler.response_serializer
        wrapped: Handler = kind(
            serve, deserializer and _reading(deserializer), serializer and serialised_once(serializer)
        )
        return wrapped

    def _limit_of(self, method: Method) -> TimeLimit:
        if method.deadline is None:
            return self._endless
        if method.deadline not in self._limits:
            self._limits[method.deadline] = TimeLimit(method.deadline, _TOO_LATE)
        return self._limits[method.deadline]

    def _begin(self, method: Method, context: Context, metadata: Metadata) -> CallRecord:
        trace_id = trace_id_of(metadata)
        CURRENT_TRACE_ID.set(trace_id)
        context.set_trailing_metadata(((_TRACE_ID_KEY, trace_id),))
        call = CallRecord(method.path, method.meters, method.log, trace_id, quiet=method.rule.public)
        self._running.add(call)
        self._idle.clear()
        return call

    def _leave(self, call: CallRecord) -> None:
        self._running.discard(call)
        if not self._running:
            self._idle.set()

    def _authorise(self, method: Method, call: CallRecord, metadata: Metadata) -> None:
        call.principal = self._verified(metadata)
        CURRENT_PRINCIPAL.set(call.principal)
        method.rule.require_role(call.principal, method.path)

    def _verified(self, metadata: Metadata) -> Principal:
        if self._verifier is not None:
            for key, value in metadata:
                if key == "authorization":
                    scheme, _, token = value.partition(" ")
                    if scheme.lower() == "bearer":
                        return self._verifier.verify(token.strip())
        if self._anonymous is not None:
            return self._anonymous
        raise DomainError(
            ErrorKind.UNAUTHENTICATED,
            SharedReason.CREDENTIALS_MISSING,
            "a bearer token is required: send the metadata `authorization: Bearer <token>`",
        )

    def _admit(self, method: Method, call: CallRecord, request: Message | None) -> None:
        if request is None:
            raise DomainError(
                ErrorKind.INVALID_ARGUMENT,
                SharedReason.INVALID_REQUEST,
                "the bytes of the request are not the message that this method takes: text must be UTF-8, and"
                " both sides must have the same contract",
            )
        if method.rule.public:
            return
        if method.request_id_of is not None:
            call.request_id = method.request_id_of(request)
        if method.client_of is not None:
            self._admit_client(call, method.client_of(request))
        require_valid(request)

    def _admit_client(self, call: CallRecord, client_no: int) -> None:
        # In a client stream, a message that names no client belongs to the one that the first message named.
        if client_no or call.client_no is None:
            call.client_no = client_no
            assert call.principal is not None
            call.principal.require_client(client_no)

    async def _admitted(
        self, method: Method, call: CallRecord, requests: AsyncIterator[Message]
    ) -> AsyncIterator[Message]:
        async for request in requests:
            self._admit(method, call, request)
            yield request

    async def _refuse(self, call: CallRecord, context: Context, failure: BaseException) -> NoReturn:
        if isinstance(failure, grpc.aio.AbortError):  # the servicer has answered: gRPC's own health does
            call.end(context.code())
            raise failure
        if isinstance(failure, asyncio.CancelledError) and call.cut_for is None:
            # The caller has gone, or its deadline has passed: nobody is there to be answered.
            call.end(
                grpc.StatusCode.DEADLINE_EXCEEDED if _is_too_late(context) else grpc.StatusCode.CANCELLED
            )
            raise failure
        refusal = call.cut_for or as_domain_error(failure)
        code = STATUS_CODES[refusal.kind]
        call.end(code, refusal, None if call.cut_for else failure)
        status = to_status(refusal, self._error_domain)
        trailers: list[tuple[str, str | bytes]] = [
            (_TRACE_ID_KEY, call.trace_id),
            (STATUS_DETAILS_KEY, status.SerializeToString()),
        ]
        await context.abort(code, status.message, tuple(trailers))


def _kind_and_behaviour(handler: Handler) -> tuple[Callable[..., Handler], Callable[[Any, Context], Any]]:
    """The factory that makes handlers of this kind, and the servicer's method."""
    name = f"{_STREAMING[handler.request_streaming]}_{_STREAMING[handler.response_streaming]}"
    behaviour = getattr(handler, name)
    assert inspect.iscoroutinefunction(behaviour) or inspect.isasyncgenfunction(behaviour), (
        f"{behaviour} is not async: a servicer must not block the loop"
    )
    return getattr(grpc, f"{name}_rpc_method_handler"), behaviour


def _reading(deserializer: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """`deserializer`, but None for bytes that are no message of its type.

    gRPC itself would answer them with UNKNOWN and the text of the exception.
    """

    def read(content: bytes) -> Any:
        try:
            return deserializer(content)
        except DecodeError:
            return None

    return read


def _is_too_late(context: Context) -> bool:
    # The stub says that there is always a number, but it is None where no deadline was set.
    remaining: float | None = context.time_remaining()
    return remaining is not None and remaining <= _BLUR_SECONDS


async def _stream(answer: Any, context: Context) -> None:
    """Send what a servicer of a response stream yields; one that writes to the context itself is awaited.

    It is sent from here, not yielded on: so a cancellation reaches this frame, and the servicer's `finally`
    runs now instead of when the garbage collector finds its generator.
    """
    if not inspect.isasyncgen(answer):
        await answer
        return
    async with aclosing(answer) as responses:
        async for response in responses:
            await context.write(response)
