"""One local cloud for all of these tests: the production template deployed by sam, IAM on, a small story told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.cloud import accounts, deploy, story
from local.cloud.contents import Table
from local.cloud.running import Cloud
from tests.e2e.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def deployed() -> Iterator[Desk]:
    """The local cloud with Airlift and its plan, at the moment before a finding."""
    runtime = deploy.runtime()
    template = deploy.build(runtime)
    with Cloud(behind_days=story.BEHIND_DAYS, log="e2e.log") as cloud:
        told = story.begin(cloud, lambda _: None, kinds=(Table,))
        story.tell(told, lambda _: None)
        deploy.deploy(cloud, template, runtime)
        accounts.forward_findings(cloud)
        desk = Desk(told)
        desk.plan()
        yield desk


@pytest.fixture
def desk(deployed: Desk) -> Iterator[Desk]:
    """The desk of one test; it leaves nothing running and no access open."""
    yield deployed
    deployed.stop_everything()
    deployed.close_access()
