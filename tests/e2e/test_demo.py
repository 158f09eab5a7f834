"""`make demo` from its first line to its last: everything restored is what it was before the attack."""

from __future__ import annotations

import os
import subprocess
import sys

from local.cloud.running import ROOT


def test_the_demo_brings_everything_back() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local.cloud.demo"],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    for words in ("3,002 of 3,002 items", "60 of 60 objects", "256 of 256 KiB", "43 of 43 files"):
        assert words in done.stdout
    assert "8 of 8 resources have a usable point" in done.stdout
    assert "finding" in done.stdout
    assert "last restore +" in done.stdout
