"""The root of the one error tree, and what can be wrong with a model."""

from typing import ClassVar


class RetakeError(Exception):
    """Something went wrong that Retake knows by name."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__ or "")


class ModelError(RetakeError):
    """The model file is missing or is not a quality model: point RETAKE_MODEL at a quality.tflite."""

    code = "model_invalid"
