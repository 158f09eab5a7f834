"""Fixtures of the local services' tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from local.aws import Settings, build_world, install_botocore
from local.clock import VirtualClock
from tests.local.story import Story, client

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def story() -> Iterator[Story]:
    clock = VirtualClock()
    settings = Settings(seed=1)
    with mock_aws():
        made: list[Story] = []
        world = build_world(
            clock,
            client,
            lambda _account, _region, event: made[0].events.append(event),
            settings,
            lambda caller, action, resources: made[0].authorize(caller, action, resources),
        )
        made.append(Story(world, clock, settings))
        uninstall = install_botocore(world.front)
        yield made[0]
        uninstall()
