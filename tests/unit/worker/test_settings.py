from datetime import timedelta
from pathlib import Path

import pytest

from worker import settings as settings_module
from worker.settings import Settings, SettingsError, load_settings

SECRET = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"


def test_every_setting_has_a_default_and_a_description() -> None:
    load_settings()
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_lists_are_split_at_commas_and_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETAKE_IMAGE_HOSTS", "img.example.com, *.cdn.example.com")
    monkeypatch.setenv("RETAKE_NOTIFY_SCHEDULE", "1,2.5")
    monkeypatch.setenv("RETAKE_NOTIFY_COOLDOWN", "3600")
    settings = load_settings()
    assert settings.image_hosts == ("img.example.com", "*.cdn.example.com")
    assert settings.notify_schedule == (1, 2.5)
    assert settings.notify_cooldown == timedelta(hours=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RETAKE_THRESHOLD", "7"),
        ("RETAKE_THRESHOLD", "nan"),
        ("RETAKE_LEASE", "0"),
        ("RETAKE_LEASE", "30"),
        ("RETAKE_NOTIFY_TIMEOUT", "45"),
        ("RETAKE_IMAGE_TOTAL_TIMEOUT", "46"),
        ("RETAKE_TASK_SOFT_TIME_LIMIT", "60"),
        ("RETAKE_CONCURRENCY", "two"),
        ("RETAKE_NOTIFY_SCHEDULE", "5,later"),
        ("RETAKE_NOTIFY_COOLDOWN", "-1"),
        ("RETAKE_LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_value_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_wrong_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETAKE_THRESHOLD", "7")
    monkeypatch.setenv("RETAKE_LEASE", "-1")
    with pytest.raises(SettingsError, match=r"RETAKE_THRESHOLD.*RETAKE_LEASE"):
        load_settings()


def test_secrets_come_from_files_and_are_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "retake_notify_secret").write_text(SECRET + "\n")
    monkeypatch.setitem(Settings.model_config, "secrets_dir", tmp_path)
    monkeypatch.setenv("RETAKE_DATABASE_URL", "postgresql://retake:hunter2@db/retake")
    settings = load_settings()
    assert settings.notify_secret is not None
    assert settings.notify_secret.get_secret_value() == SECRET
    assert SECRET not in repr(settings)
    assert "hunter2" not in repr(settings)


def test_a_wrong_secret_is_not_shown_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETAKE_CONCURRENCY", "hunter2")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_the_secrets_folder_is_the_one_of_docker() -> None:
    assert Path("/run/secrets") == settings_module.SECRETS_DIR
