"""Runs the local cloud: `python -m local.cloud.server --port 4566 --behind-days 4`, in ministack's environment.

It listens on 127.0.0.1 only, checks signatures and IAM, and keeps everything in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal

SETTINGS = {
    "AUTH": "true",
    "BIND_HOST": "127.0.0.1",
    "MINISTACK_HOST": "localhost",
    "IOT_MTLS_ENABLED": "0",  # its listener would bind every interface
    "SFTP_ENABLED": "0",
    "LAMBDA_EXECUTOR": "local",
    "DOCKER_HOST": "unix:///nonexistent",  # never touches a Docker engine that is there for something else
    "PERSIST_STATE": "0",
}

RESTORE_SECONDS = {"DynamoDB": 4.0, "S3": 8.0}
OTHERS_SECONDS = 3.0
"""How long a restore takes of the types named, and of all others."""


def prepare(port: int) -> None:
    """Settle what ministack reads from the environment when it is imported."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MINISTACK_", "LAMBDA_"))]:
        del os.environ[name]
    os.environ.update(SETTINGS, GATEWAY_PORT=str(port))


async def serve(port: int, behind: float) -> None:
    """Serve until SIGINT or SIGTERM; Backup's clock starts `behind` seconds ago."""
    from hypercorn.asyncio import serve as listen  # the environment comes first, here and below
    from hypercorn.config import Config

    from local.aws.settings import Settings
    from local.clock import WallClock
    from local.cloud import (
        account,
        appconfig,
        events,
        fargate,
        front,
        instances,
        keys,
        lambdas,
        permissions,
        stacks,
        workflows,
    )
    from local.cloud.organizations import Organizations
    from local.cloud.story_clock import StoryClock

    clock = StoryClock(behind)
    settings = Settings(
        restore_seconds=lambda resource_type, _size: RESTORE_SECONDS.get(resource_type, OTHERS_SECONDS),
        association_seconds=0.2,
        session_creating_seconds=0.5,
        events_period=5.0,
        emulator_time=clock.told,
    )
    clients, organizations = front.connect(port), Organizations(settings.organizations)
    world = front.make_world(clients, clock, settings, organizations.guard)
    front.install(world)
    for mended in (permissions, lambdas, appconfig, events, keys, instances, fargate, account):
        mended.install()
    stacks.install(clients)
    organizations.install()
    workflows.Workflows(WallClock()).install()

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await listen(front.Application(world, clock), config, shutdown_trigger=stop.wait)


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(description="The local cloud, on 127.0.0.1.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--behind-days", type=float, default=0.0, help="how long ago Backup's clock starts")
    arguments = parser.parse_args()
    prepare(arguments.port)
    logging.getLogger("hypercorn.access").setLevel(logging.WARNING)
    asyncio.run(serve(arguments.port, arguments.behind_days * 86400))


if __name__ == "__main__":
    main()
