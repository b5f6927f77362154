"""The compose file, the image and the example settings, checked without Docker."""

import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from compose_spec.models import ComposeSpecification

from worker.settings import Settings

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text()
STACK: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
LONG_RUNNING = sorted(set(SERVICES) - {"migrate"})
OURS = ["beat", "exporter", "ingest", "migrate", "worker"]
SCALES = ["ingest", "worker"]
KNOWN = {f"RETAKE_{name.upper()}" for name in Settings.model_fields}


def seconds(duration: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(s|m)", duration).groups()  # type: ignore[union-attr]
    return float(number) * {"s": 1, "m": 60}[unit]


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = [re.fullmatch(r"(?:# )?(RETAKE_\w+)=(.*)", line) for line in lines]
    return {pair[1]: pair[2] for pair in pairs if pair}


def test_the_file_is_compose_as_specified() -> None:
    assert set(ComposeSpecification.model_validate(STACK).services or {}) == set(SERVICES)
    # What stands in for a variable: its default, or any address where somebody must give one.
    filled = re.sub(r"\$\{\w+:(?:-([^}]*)|\?[^}]*)\}", lambda hole: hole[1] or "http://example.com", TEXT)
    PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(filled))).validate()


def test_every_setting_in_the_file_is_one_that_retake_knows() -> None:
    assert set(re.findall(r"RETAKE_[A-Z_]+", TEXT)) <= KNOWN


def test_every_setting_is_in_the_example_and_no_other() -> None:
    assert set(example()) == KNOWN


@pytest.mark.parametrize("name", sorted(KNOWN - {"RETAKE_NOTIFY_URL", "RETAKE_MODEL"}))
def test_the_example_shows_what_a_setting_is_without_being_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    field = name.removeprefix("RETAKE_").lower()
    without = getattr(Settings(), field)
    monkeypatch.setenv(name, example()[name])
    assert getattr(Settings(), field) == without


def test_a_worker_finds_the_model_files_of_a_clone_and_cannot_change_them() -> None:
    [mount] = SERVICES["worker"]["volumes"]
    assert mount == "${MODELS:-./models}:/models:ro"
    assert (ROOT / "models" / "quality.tflite").is_file()


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_has_limits_a_grace_period_and_bounded_logs(service: str) -> None:
    config = SERVICES[service]
    assert set(config["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert seconds(config["stop_grace_period"]) > 0
    assert config["logging"]["options"]["max-size"]
    assert "container_name" not in config


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_a_long_running_service_has_a_health_check_and_comes_back(service: str) -> None:
    assert SERVICES[service]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert SERVICES[service]["restart"] == "unless-stopped"
    assert "inspect" not in str(SERVICES[service]["healthcheck"])


@pytest.mark.parametrize("service", SCALES)
def test_a_service_that_scales_holds_nothing_that_only_one_can_have(service: str) -> None:
    assert {"ports", "hostname", "container_name"} & set(SERVICES[service]) == set()
    assert "network_mode" not in SERVICES[service]


@pytest.mark.parametrize("service", OURS)
def test_our_containers_may_do_as_little_as_possible(service: str) -> None:
    config = SERVICES[service]
    assert config["read_only"] is True
    assert config["cap_drop"] == ["ALL"]
    assert config["security_opt"] == ["no-new-privileges:true"]
    assert config["init"] is True
    assert any(mount.startswith("/tmp") for mount in config["tmpfs"])


@pytest.mark.parametrize("service", sorted(set(SERVICES) - set(OURS)))
def test_an_image_from_outside_is_pinned_by_version(service: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-\w+)?", SERVICES[service]["image"])


def test_published_ports_are_on_this_machine_alone_unless_somebody_says_so() -> None:
    published = [port for config in SERVICES.values() for port in config.get("ports", [])]
    assert published
    assert [port for port in published if ":-127.0.0.1:" not in port] == []


def test_a_worker_is_given_longer_than_its_longest_task() -> None:
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > Settings().task_time_limit


def test_an_event_that_the_stream_confirmed_is_on_disk() -> None:
    assert {"--appendonly yes", "--appendfsync always"} <= set(SERVICES["valkey"]["command"])


def test_nothing_works_on_tables_that_are_not_migrated() -> None:
    for service in set(OURS) - {"migrate"}:
        assert SERVICES[service]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_secrets_are_files_that_the_script_makes() -> None:
    script = ROOT / "ops" / "secrets.sh"
    assert script.stat().st_mode & stat.S_IXUSR
    made = set(re.findall(r"^keep (\w+)", script.read_text(), re.MULTILINE))
    assert {Path(secret["file"]).name for secret in STACK["secrets"].values()} == made
    assert {name for name in made if name.startswith("retake_")} <= {name.lower() for name in KNOWN}
    passwords = [
        value for config in SERVICES.values() for value in config.get("environment", {}) if "PASSWORD" in value
    ]
    assert [name for name in passwords if not name.endswith("_FILE")] == []


def test_the_image_runs_as_nobody_in_particular() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER \d{4,}:\d{4,}$", dockerfile, re.MULTILINE)
    assert re.search(r"^ARG PYTHON=3\.\d+\.\d+-slim-\w+$", dockerfile, re.MULTILINE)
