from pathlib import Path

import pytest
from PIL import Image

from models.training import plots, split
from models.training.errors import TrainingError
from models.training.files import write_csv


@pytest.fixture
def work(data: Path, tmp_path: Path) -> Path:
    work = tmp_path / "work"
    split.main(data, work)
    rows = [{"id": f"g{n:02}", "score": 4.5 - 4 * (n % 2) + n / 60, "reason": "too_dark"} for n in range(24)]
    for name in plots.ATTEMPTS:
        write_csv(work / f"{name}-scores.csv", rows)
    return work


def test_four_small_pictures_are_drawn_the_same_every_time(data: Path, work: Path, tmp_path: Path) -> None:
    for folder in ("first", "again"):
        plots.main(data, work, tmp_path / folder)

    names = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert names == ["histograms.png", "reasons.png", "roc.png", "votes.png"]
    for name in names:
        content = (tmp_path / "first" / name).read_bytes()
        assert content == (tmp_path / "again" / name).read_bytes()
        assert len(content) < 80_000
        with Image.open(tmp_path / "first" / name) as image:
            assert min(image.size) > 200


def test_attempt_without_scores_is_named(data: Path, work: Path, tmp_path: Path) -> None:
    write_csv(work / "nima-scores.csv", [{"id": "g00", "score": 1}])

    with pytest.raises(TrainingError, match=r"nima-scores\.csv: lacks photo 'g\d\d': run that attempt again"):
        plots.main(data, work, tmp_path / "plots")
