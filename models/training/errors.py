"""What can be wrong with training data, so that it is said in one line."""

from models.errors import RetakeError


class TrainingError(RetakeError):
    """The training data or a file made from it is not usable: the message names the file and the row."""

    code = "training_invalid"
