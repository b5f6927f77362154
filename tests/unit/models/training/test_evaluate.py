import json
from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import ModelError
from models.training import split
from models.training.errors import TrainingError
from models.training.evaluate import main

WriteModel = Callable[..., Path]


@pytest.fixture
def work(data: Path, tmp_path: Path) -> Path:
    split.main(data, tmp_path / "work")
    return tmp_path / "work"


def test_any_model_on_any_labelled_folder(data: Path, tmp_path: Path, write_model: WriteModel) -> None:
    path = tmp_path / "figures.json"

    main(write_model(scale=0.05, zero=64), data, save=path)

    (figures,) = json.loads(path.read_text()).values()
    assert figures["all"]["photos"] == 24
    assert figures["untouched"]["photos"] == 18
    value, low, high = figures["all"]["auc"]
    assert low <= value <= high
    assert value > 0.9  # the top left corner of a dark photo is dark, and so is this model's score


def test_result_is_saved_beside_the_split_under_the_models_name(
    data: Path, work: Path, write_model: WriteModel
) -> None:
    main(write_model(scale=0.05, zero=64), data, part="test", work=work)

    (figures,) = json.loads((work / "model.json").read_text()).values()
    assert 3 <= figures["all"]["photos"] <= 7


def test_two_models_side_by_side(
    data: Path, tmp_path: Path, write_model: WriteModel, capsys: pytest.CaptureFixture[str]
) -> None:
    good, flat = (write_model(name=name, scale=scale, zero=64) for name, scale in (("a", 0.05), ("b", 0.0001)))

    main(good, data, against=flat, save=tmp_path / "figures.json")

    content = json.loads((tmp_path / "figures.json").read_text())
    assert len(content) == 3
    assert content["difference"]["all"]["rmse"][2] < 0
    assert "Side by side" in capsys.readouterr().out


def test_unknown_part_is_refused(data: Path, work: Path, write_model: WriteModel) -> None:
    with pytest.raises(TrainingError, match=r"split\.csv: has no photo of the data in part 'holdout'"):
        main(write_model(), data, part="holdout", work=work)


def test_missing_split_is_named(data: Path, tmp_path: Path, write_model: WriteModel) -> None:
    with pytest.raises(TrainingError, match=r"split\.csv: cannot be read"):
        main(write_model(), data, part="test", work=tmp_path / "nowhere")


def test_wrong_model_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.tflite"):
        main(tmp_path / "none.tflite", data, save=tmp_path / "figures.json")

    assert not (tmp_path / "figures.json").exists()
