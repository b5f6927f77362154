import re
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from worker.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text()


def shown(default: object) -> str:
    match default:
        case None | ():
            return ""
        case SecretStr():
            return f"`{default.get_secret_value()}`"
        case Path():
            return f"`models/{default.name}`"
        case timedelta():
            return f"`{default.total_seconds():g}`"
        case tuple():
            return "`" + " ".join(f"{seconds:g}" for seconds in default) + "`"
        case float():
            return f"`{default:g}`"
    return f"`{default}`"


@pytest.mark.parametrize(("name", "field"), Settings.model_fields.items(), ids=Settings.model_fields)
def test_every_setting_is_in_the_table(name: str, field: FieldInfo) -> None:
    assert f"| `RETAKE_{name.upper()}` | {shown(field.default)} | {field.description} |" in README


def test_the_table_has_no_other() -> None:
    rows = re.findall(r"^\| `RETAKE_(\w+)`", README, re.MULTILINE)
    assert sorted(rows) == sorted(name.upper() for name in Settings.model_fields)


def test_every_linked_file_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (Path(__file__).parents[2] / link).exists()] == []
