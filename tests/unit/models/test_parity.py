"""The same pixels get the same stars from LiteRT and from tflite-runtime, its former name, but at an edge between two.

tflite-runtime ends at Python 3.11 and wants numpy 1, so it runs in an environment of its own, made by `make test`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.judge import Judge
from models.preprocess import to_input

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "worker" / "demo" / "samples" / "coffee.jpg"
PYTHON = os.environ.get("RETAKE_TFLITE_PYTHON", str(ROOT / ".venv-tflite" / "bin" / "python"))

EDGE = 0.15
"""Distance of a score from the edge between two numbers of stars within which int8 kernels that round otherwise may
land on its other side: of 824 photos 24 did, none from further than 0.14."""

FORMER = """
import json, sys, numpy as np
from PIL import Image
from models.judge import Judge
from models.runtime import Interpreter
judge = Judge()
judged = [judge.judge(Image.fromarray(pixels)) for pixels in np.load(sys.argv[1])]
print(json.dumps({"runtime": Interpreter.__module__, "stars": [one.stars for one in judged],
                  "scores": [one.score for one in judged], "reasons": [one.ranked[0] for one in judged]}))
"""

BROKEN = """
import sys
from pathlib import Path
from models.errors import ModelError
from models.runtime import Runtime
try:
    Runtime(Path(sys.argv[1]))
except ModelError as error:
    print(error)
"""

needs_former_runtime = pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="tflite-runtime has no wheel for Python 3.12 and later"
)


def run(program: str, argument: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [PYTHON, "-c", program, str(argument)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def crops() -> np.ndarray:
    """The sample photo, darker and darker, closer and closer."""
    with Image.open(SAMPLE) as opened:
        photo = opened.convert("RGB")
    pictures = []
    for step in range(12):
        crop = photo.crop((10 * step, 8 * step, 600 - 10 * step, 400 - 8 * step))
        pictures.append(to_input(crop.point(lambda level, light=1 - step / 14: level * light)))
    return np.stack(pictures)


def to_edge(score: float) -> float:
    """How far a score is from the nearest edge between two numbers of stars."""
    return abs(score % 1 - 0.5)


@needs_former_runtime
def test_former_runtime_gives_the_same_stars(tmp_path: Path) -> None:
    pixels = crops()
    np.save(tmp_path / "pixels.npy", pixels)
    judge = Judge()

    now = [judge.judge(Image.fromarray(picture)) for picture in pixels]
    then = json.loads(run(FORMER, tmp_path / "pixels.npy"))

    assert then["runtime"].startswith("tflite_runtime")
    clear = [one for one in zip(now, then["stars"], strict=True) if to_edge(one[0].score) > EDGE]
    assert len(clear) > len(now) / 2
    assert [stars for _, stars in clear] == [one.stars for one, _ in clear]
    assert then["scores"] == pytest.approx([one.score for one in now], abs=0.2)  # int8 kernels round otherwise
    assert all(reason in one.ranked for reason, one in zip(then["reasons"], now, strict=True))


@needs_former_runtime
@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_former_runtime_survives_a_truncated_file(tmp_path: Path, share: float) -> None:
    content = (ROOT / "models" / "quality.tflite").read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(content[: int(len(content) * share)])

    assert "cut.tflite: not a whole TFLite model" in run(BROKEN, path)
