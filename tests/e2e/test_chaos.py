import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_whatever_dies_nothing_is_lost_and_nothing_is_done_twice() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--events", "1000", "--seed", "5", "--every", "40", "--json"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    outcome = json.loads(run.stdout)
    reckoning = outcome["reckoning"]
    assert reckoning["published"] == 1000
    assert sum(reckoning["states"].values()) == reckoning["unique"]
    assert reckoning["posts"] > reckoning["posts_accepted"] >= reckoning["bad_photos"] > 0
    assert len(outcome["disturbances"]) == 11, "each kind at least once"
    assert outcome["orphans"] == 0
