"""The front in ministack's process and on its port: the services it lacks, and the local-only doors."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import boto3
import ministack.app
from hypercorn.protocol.events import StreamClosed
from ministack.core import router

from local.aws import portal
from local.aws.errors import AwsError, ConnectionDropped
from local.aws.model import service_model
from local.aws.wire import SERVICES, Request, Response
from local.aws.world import World, build_world
from local.cloud import events, lambdas
from local.cloud.permissions import authorize, identify
from local.portal.pages import Pages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from local.aws.context import Clients
    from local.aws.settings import Settings
    from local.aws.wire import Caller, Guard
    from local.cloud.story_clock import StoryClock

DOOR = "/_local/"
_PREFIX = "airlift-"


@dataclass
class _Asked:
    """The request being answered: its path as it was sent, percent-encoded, its query string, and its end."""

    path: str
    query: str
    is_dropped: bool = False
    kills: Callable[[], bool] = lambda: False
    """Called when it has had its effect: whether that has ended the process that asked."""


_asked: ContextVar[_Asked] = ContextVar("asked")

# A service may call the emulator back while it answers; so it never runs on the event loop, nor on ministack's threads.
_threads = ThreadPoolExecutor(32, thread_name_prefix="airlift-front")


def connect(port: int) -> Clients:
    """Clients of the emulator that listens on `port`, as an account's root."""

    @cache  # making one reads the service's model, which takes longer than most calls
    def client(service: str, account: str, region: str) -> Any:
        session: Any = boto3.Session()
        return session.client(
            service,
            region_name=region,
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=account,
            aws_secret_access_key="local",  # noqa: S106 - the local cloud knows an account by its key id
        )

    return client


def make_world(clients: Clients, clock: StoryClock, settings: Settings, guard: Guard) -> World:
    """AWS Backup, MPA and RAM on top of the emulator that `clients` reach."""

    def may(caller: Caller, action: str, resources: Sequence[str]) -> None:
        authorize(caller, action, resources, world.tags_of)

    world = build_world(clock, clients, events.publish, settings, may, identify, guard)
    return world


def install(world: World) -> None:
    """Let requests that are signed for these services reach `world` once ministack has checked their signature."""
    detect, signing = router.detect_service, {service_model(name).signing_name: name for name in SERVICES}

    def detect_service(method: str, path: str, headers: dict[str, str], query: dict[str, Any]) -> str:
        signed = headers.get("authorization", "")
        found = next((name for sign, name in signing.items() if f"/{sign}/aws4_request" in signed), None)
        return _PREFIX + found if found else str(detect(method, path, headers, query))

    router.detect_service = ministack.app.detect_service = detect_service
    for service in SERVICES:
        ministack.app.SERVICE_HANDLERS[_PREFIX + service] = _handler(world, service)


def _handler(world: World, service: str) -> Callable[..., Awaitable[tuple[int, dict[str, str], bytes]]]:
    async def handle(
        method: str, _path: str, headers: Mapping[str, str], body: bytes, _query: Any
    ) -> tuple[int, dict[str, str], bytes]:
        asked = _asked.get()
        request = Request(service, method, asked.path, asked.query, headers, body)
        try:
            answer = await _in_thread(world.front.handle, request)
        except ConnectionDropped:
            asked.is_dropped = True
            return 500, {}, b""  # which nobody gets
        return answer.status, answer.headers, answer.body

    return handle


def _unless_dropped(asked: _Asked, send: Any) -> Any:
    """`send`, which closes the connection without a word if the request's answer is to be lost."""

    async def sent(message: dict[str, Any]) -> None:
        if not asked.is_dropped and message["type"] == "http.response.start":
            asked.is_dropped = asked.kills()
        if not asked.is_dropped:
            await send(message)
        elif message["type"] == "http.response.start":
            stream = send.__self__  # ASGI has no word for it; the server's own stream does
            await stream.send(StreamClosed(stream_id=stream.stream_id))

    return sent


async def _in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(_threads, copy_context().run, work, *arguments)


class Application:
    """The ASGI application: doors, and ministack with the front behind it."""

    def __init__(self, world: World, clock: StoryClock) -> None:
        self._world = world
        self._clock = clock
        self._pages = Pages(world.portal, clock)
        self._kills: dict[str, str] = {}
        """Functions to be killed, by what they ask just before: its X-Amz-Target, or method and path."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            asked = _Asked(scope["raw_path"].decode("ascii"), scope["query_string"].decode("ascii"))
            _asked.set(asked)
            if scope["path"].startswith(DOOR):
                await self._door(scope, receive, send)
                return
            # A connection that never leaves the machine stands for TLS: bucket policies that demand it hold.
            scope = scope | {"headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}
            target = dict(scope["headers"]).get(b"x-amz-target", b"").decode("latin-1")
            asked.kills = partial(self._kill, target or f"{scope['method']} {asked.path}")
            send = _unless_dropped(asked, send)
        await ministack.app.app(scope, receive, send)

    def _kill(self, asked: str) -> bool:
        """Kill the function that is to die when it has asked this, if it runs; whether it did."""
        killed = asked in self._kills and lambdas.kill(self._kills[asked])
        if killed:
            del self._kills[asked]
        return killed

    async def _door(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        names = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        asked = _asked.get()
        request = Request("", scope["method"], asked.path, asked.query, names, body)
        answer = await _in_thread(self._answer, request)
        headers = answer.headers | {"content-length": str(len(answer.body))}
        sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": sent})
        await send({"type": "http.response.body", "body": answer.body})

    def _answer(self, request: Request) -> Response:
        """The approvers' pages, or a door in JSON."""
        root, _, name = request.path.removeprefix(DOOR).partition("/")
        if root == "portal" and name not in portal.DOORS:
            return self._pages.handle(request)
        status, answer = self._door_answer(request.method, request.path, request.body)
        return Response(status, {}, answer)

    def _door_answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """POST `/_local/clock` {"behind": seconds}, `/_local/events` {"account", "region", "event"},
        `/_local/run-rule` {"account", "region", "plan_id", "rule_name", "resource_arn"}, `/_local/scan` {"point_arn",
        "state", "findings"}, `/_local/place-point` {"vault_arn", "resource_arn", "resource_type"},
        `/_local/fail-restore` {"match", "status", "message", "times"} and `/_local/fail-call` {"service", "operation",
        "kind", "times", "after_effect"}, `/_local/kill` {"function", "request"}; the portal; the data door. The answer
        tells how many planned faults have not happened yet."""
        doors: dict[str, Callable[[dict[str, Any]], Any]] = {
            "clock": lambda asked: self._clock.jump(float(asked["behind"])),
            "events": lambda asked: events.publish(asked["account"], asked["region"], asked["event"]),
            "run-rule": lambda asked: self._world.backup.schedule.run_rule(**asked),
            "scan": lambda asked: self._world.backup.points.scan(**asked),
            "place-point": lambda asked: self._world.backup.points.place(**asked),
            "fail-restore": lambda asked: self._world.faults.fail_restore(**asked),
            "fail-call": lambda asked: self._world.faults.plan(**asked),
            "kill": lambda asked: self._kills.update({asked["request"]: asked["function"]}),
        }
        name = path.removeprefix(DOOR)
        if name.startswith("portal/"):
            return self._world.portal.handle(method, path, body)
        if method != "POST" or name not in doors:
            return self._world.doors.handle(method, path, body)
        try:
            doors[name](json.loads(body))
        except (AwsError, ValueError, KeyError, TypeError) as error:
            return 400, json.dumps({"message": f"not what this door takes: {error!r}"}).encode()
        unhit = len(self._kills) + len(self._world.faults.unhit())
        return 200, json.dumps({"now": self._clock.now(), "unhit": unhit}).encode()
