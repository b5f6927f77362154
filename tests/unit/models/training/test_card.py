import hashlib
import json
from pathlib import Path

import pytest

from models.training import card
from models.training.errors import TrainingError
from models.training.plots import ATTEMPTS

COST = {"rmse_float": 1.25, "rmse_int8": 1.252, "invoke_ms": 0.634, "invoke_to_uncut": 0.731}
FIGURES = {name: [0.9123, 0.85, 0.95] for name in card.FIGURES} | {"photos": 660}
SLICES = {
    "all": FIGURES,
    "untouched": FIGURES | {"rmse": [0.7, 0.6, 0.8]},
    "category car": FIGURES,
    "fault dark": FIGURES,
}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ATTEMPTS:
        content = {"notes": {"ratings": {"p5": 3.43, "p95": 4.54, "sd": 0.33}}, name: SLICES}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    observers = {"photos": 3296, "votes": 16480, "fleiss_kappa": 0.5385, "share_good": {"A": 0.87}}
    (tmp_path / "observers.json").write_text(json.dumps(observers))
    (tmp_path / "quantise.json").write_text(json.dumps(COST))
    for name in ("EXPERIMENTS", "FAILURES"):
        (tmp_path / name).write_text(f"The {name.lower()}.")
        monkeypatch.setattr(card, name, tmp_path / name)
    (tmp_path / "quality.tflite").write_bytes(b"a model")
    monkeypatch.setattr(card, "DEFAULT_MODEL", tmp_path / "quality.tflite")
    return tmp_path


def test_card_says_what_the_model_is_and_how_it_was_measured(work: Path) -> None:
    card.main(work, work, work / "README.md")

    text = (work / "README.md").read_text()
    assert hashlib.sha256(b"a model").hexdigest() in text
    assert "3,296 photos" in text
    assert "vision-language models" in text
    assert "| RMSE | at most 1.00; 1.00 | 0.91 (0.85 to 0.95) | 0.70 (0.60 to 0.80) |" in text
    assert "| NIMA as it is, untouched | 0.70 (0.60 to 0.80) |" in text
    assert "| dark | 660 |" in text
    assert "0.63 ms an invoke on one thread of the machine that made it, 0.73 of" in text
    assert "The experiments." in text
    assert "The failures." in text
    assert "$" not in text


def test_figure_without_meaning_is_a_dash() -> None:
    assert card.cell([None, None, None]) == "-"


@pytest.mark.parametrize("content", [None, "not json", "{}"])
def test_missing_figures_are_named(work: Path, content: str | None) -> None:
    (work / "engineered.json").unlink()
    if content:
        (work / "engineered.json").write_text(content)

    with pytest.raises(TrainingError, match=r"engineered\.json: figures cannot be read, run the step that makes them"):
        card.main(work, work, work / "README.md")

    assert not (work / "README.md").exists()
