"""What a good photo is: scores, reasons, tips."""

from models.errors import ModelError, RetakeError
from models.judge import DEFAULT_MODEL, Judge, Judgement
from models.reasons import TIPS, ReasonCode

__all__ = ["DEFAULT_MODEL", "TIPS", "Judge", "Judgement", "ModelError", "ReasonCode", "RetakeError"]
