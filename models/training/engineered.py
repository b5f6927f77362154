"""Hand-made features of a photo, for the second attempt: what the seed measured before it trained a network."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from rich.progress import track

from models import attributes
from models.attributes import Grey, Mask
from models.preprocess import to_input
from models.training.attempts import read_labelled
from models.training.command import Data, Work, run
from models.training.data import Photo
from models.training.errors import TrainingError
from models.training.files import write_csv

LIKELY = 128
"""Saliency, 0-255, from which a pixel belongs to the object."""

FEWEST_PIXELS = 50
"""A region with fewer pixels has no features (NaN)."""

QUADRANTS: Mapping[str, tuple[slice, slice]] = {
    f"{row}_{column}": (rows, columns)
    for row, rows in (("top", slice(None, 112)), ("bottom", slice(112, None)))
    for column, columns in (("left", slice(None, 112)), ("right", slice(112, None)))
}

PROPERTIES: Mapping[str, Callable[[Grey, Grey], float]] = {
    "brightness": lambda grey, _edges: attributes.brightness(grey),
    "contrast": lambda grey, _edges: attributes.contrast(grey),
    "sharpness": lambda _grey, edges: float(edges.std()),
}
"""Properties of a region, from its pixels' luma and Laplacian, both (pixels,)."""


def region(grey: Grey, edges: Grey, chosen: Mask) -> dict[str, float]:
    """Measure the chosen pixels, all three (H, W)."""
    enough = int(chosen.sum()) >= FEWEST_PIXELS
    return {name: of(grey[chosen], edges[chosen]) if enough else np.nan for name, of in PROPERTIES.items()}


def featurise(image: Image.Image, mask: Image.Image) -> dict[str, float]:
    """Measure a photo whose saliency mask is 8-bit grey, (224, 224)."""
    picture = Image.fromarray(to_input(image))
    grey = attributes.to_grey(picture)
    edges = attributes.laplacian(np.pad(grey, 1, mode="edge"))
    subject: Mask = np.asarray(mask) >= LIKELY
    regions = {"object": subject, "background": ~subject}
    features = {
        f"{name}_{place}_{key}": value
        for name, chosen in regions.items()
        for place, (rows, columns) in QUADRANTS.items()
        for key, value in region(grey[rows, columns], edges[rows, columns], chosen[rows, columns]).items()
    }
    whole = {name: region(grey, edges, chosen) for name, chosen in regions.items()}
    features |= {f"difference_{key}": whole["object"][key] - whole["background"][key] for key in PROPERTIES}
    return features | {
        "quadrant_difference": attributes.unevenness(grey),
        "white_share": attributes.white_share(grey),
        "black_share": attributes.black_share(grey),
        "subject_share": attributes.subject_share(subject),
    }


def open_mask(work: Path, photo: Photo) -> Image.Image:
    """Read a photo's mask.

    Raises:
        TrainingError: the masks step has not made it.
    """
    path = work / "masks" / f"{photo.id}.png"
    try:
        with Image.open(path) as mask:
            return mask.convert("L")
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read, run the masks step: {error}") from error


def main(data: Data, work: Work) -> None:
    """Write engineered.csv: the features of every photo, with NIMA's rating."""
    labelled = read_labelled(data, work)
    try:
        ratings = np.load(work / "nima-ratings.npy")
    except (OSError, ValueError) as error:
        raise TrainingError(f"{work / 'nima-ratings.npy'}: cannot be read, run the nima step: {error}") from error
    photos = [one.photo for one in labelled.labels]
    if len(ratings) != len(photos):
        raise TrainingError(f"{work / 'nima-ratings.npy'}: was made of other data, run the nima step again")
    rows = [
        {"id": photo.id, **featurise(photo.open(), open_mask(work, photo)), "nima": float(rating)}
        for photo, rating in track(list(zip(photos, ratings, strict=True)), "Measuring photos")
    ]
    write_csv(work / "engineered.csv", rows)


if __name__ == "__main__":
    run(main)
