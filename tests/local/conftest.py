"""Fixtures of the local services' tests."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from local.aws import Settings, build_world, install_botocore
from local.clock import VirtualClock
from local.simulation import mends
from tests.local.story import Story, Switch, client, forget_clients

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def switch() -> Iterator[Switch]:
    """Clients are slow to make: they are made once a module, and reach the story of the moment."""
    made = Switch()
    uninstall = install_botocore(made)
    yield made
    uninstall()
    forget_clients()


@pytest.fixture
def story(switch: Switch) -> Iterator[Story]:
    clock = VirtualClock()
    settings = Settings(seed=1)
    with mock_aws(), ExitStack() as stack:
        mends.enter(stack)
        made: list[Story] = []
        switch.world = build_world(
            clock,
            client,
            lambda _account, _region, event: made[0].events.append(event),
            settings,
            lambda caller, action, resources: made[0].authorize(caller, action, resources),
        )
        made.append(Story(switch.world, clock, settings))
        yield made[0]
    switch.world = None
