"""The second attempt: gradient-boosted trees on the engineered features."""

import lightgbm as lgb
import numpy as np

from models.training.attempts import Labelled, read_labelled, save
from models.training.command import Data, Work, run
from models.training.errors import TrainingError
from models.training.files import read_csv
from models.training.labels import SEATS
from models.training.metrics import Floats

PARAMETERS = {
    "objective": "cross_entropy",  # the share of good votes, 0-1
    "learning_rate": 0.03,
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "seed": 20261124,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
ROUNDS = 2000
PATIENCE = 100
TOP = 10


def train(features: Floats, names: list[str], labelled: Labelled) -> tuple[Floats, dict[str, object]]:
    """Train on the train part, until the valid part no longer gains.

    Returns:
        The score of every photo, (photos,), 0-5, and what is known of the trees.
    """
    shares = labelled.scores / len(SEATS)
    data = lgb.Dataset(features[labelled.of("train")], shares[labelled.of("train")], feature_name=names)
    valid = data.create_valid(features[labelled.of("valid")], shares[labelled.of("valid")])
    trees = lgb.train(PARAMETERS, data, ROUNDS, [valid], callbacks=[lgb.early_stopping(PATIENCE, verbose=False)])
    gains = trees.feature_importance("gain")
    shares_of_gain = gains / max(gains.sum(), 1e-12)
    most = np.argsort(-gains, kind="stable")[:TOP]
    notes = {
        "trees": trees.best_iteration,
        "most_useful": {names[index]: round(float(shares_of_gain[index]), 4) for index in most},
    }
    return np.asarray(trees.predict(features)) * len(SEATS), notes


def main(data: Data, work: Work) -> None:
    """Write the scores and figures of the trees."""
    labelled = read_labelled(data, work)
    rows = {row["id"]: row for _, row in read_csv(work / "engineered.csv", ["id", "nima"])}
    missing = [one.photo.id for one in labelled.labels if one.photo.id not in rows]
    if missing:
        raise TrainingError(f"{work / 'engineered.csv'}: lacks photo {missing[0]}, run the engineered step again")
    names = [name for name in next(iter(rows.values())) if name != "id"]
    features = np.array([[float(rows[one.photo.id][name]) for name in names] for one in labelled.labels])
    scores, notes = train(features, names, labelled)
    save(work, "engineered", labelled, scores, notes)


if __name__ == "__main__":
    run(main)
