"""Alert rules, dashboard and runbook: they name metrics that exist, and each alert says what to do."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

OPS = Path(__file__).parents[3] / "ops"
RULES: list[dict[str, Any]] = yaml.safe_load((OPS / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((OPS / "grafana" / "dashboards" / "retake.json").read_text())
ASKED = re.compile(r"\bretake_\w+")
PROMTOOL = shutil.which("promtool")


def exported() -> set[str]:
    """Every series that the processes export, as Prometheus stores it."""
    names: set[str] = set()
    for file in ("metrics/work.py", "metrics/intake.py", "exporter/sources.py", "exporter/collector.py"):
        text = (OPS.parent / "worker" / file).read_text()
        for kind, name in re.findall(r'(Counter|Histogram|GaugeMetricFamily|_by_code)\(\s*f?"(retake_[\w{}]+)"', text):
            for full in {name.replace("{name}", table) for table in ("images", "notifications")}:
                suffixes = {"Counter": ["_total"], "Histogram": ["_bucket", "_sum", "_count"]}.get(kind, [""])
                names |= {full + suffix for suffix in suffixes}
    return names


def expressions() -> list[str]:
    asked = [rule["expr"] for rule in RULES]
    return asked + [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


@pytest.mark.parametrize("expression", expressions())
def test_a_rule_or_panel_asks_for_what_is_exported(expression: str) -> None:
    assert set(ASKED.findall(expression)) <= exported()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_is_wrong_how_urgent_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["summary"]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["runbook_url"] == f"ops/RUNBOOK.md#{rule['alert'].lower()}"


def test_the_runbook_has_every_alert_and_no_other() -> None:
    headings = re.findall(r"^### (Retake\w+)$", (OPS / "RUNBOOK.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(rule["alert"] for rule in RULES)


def test_every_alert_is_tried_on_made_up_series() -> None:
    tried = "".join(file.read_text() for file in (OPS / "prometheus").glob("*_test.yml"))
    assert [rule["alert"] for rule in RULES if f"alertname: {rule['alert']}" not in tried] == []


def test_the_dashboard_is_the_one_that_grafana_is_told_of() -> None:
    assert {panel["type"] for panel in DASHBOARD["panels"]} <= {"row", "stat", "timeseries", "heatmap"}
    source = yaml.safe_load((OPS / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text())
    uids = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if panel["type"] != "row"}
    assert uids == {source["datasources"][0]["uid"]}


def test_no_part_of_the_dashboard_is_unknown_to_grafana_s_own_types() -> None:
    register_default_plugins()
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(DASHBOARD)))
    assert list(lost(DASHBOARD, read)) == []


def lost(ours: Any, read: Any, path: str = "") -> Iterator[str]:
    """Where a value is not in what was read; defaults that were added do not matter."""
    if isinstance(ours, dict) and isinstance(read, dict):
        for key, value in ours.items():
            yield from lost(value, read.get(key), f"{path}/{key}")
    elif isinstance(ours, list) and isinstance(read, list) and len(ours) == len(read):
        for number, (one, other) in enumerate(zip(ours, read, strict=True)):
            yield from lost(one, other, f"{path}/{number}")
    elif ours != read:
        yield path


if PROMTOOL is not None:  # where Prometheus is installed, its own tool has the last word

    @pytest.mark.timeout(300)
    @pytest.mark.parametrize("file", ["alerts_test.yml", "alerts_week_test.yml"])
    def test_promtool_agrees(file: str) -> None:
        assert PROMTOOL is not None
        done = subprocess.run(
            [PROMTOOL, "test", "rules", file], cwd=OPS / "prometheus", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
