"""Why a photo should be taken again, and what the seller can do about it."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class ReasonCode(StrEnum):
    """What is wrong with a photo, in the order of the network's `reasons` head."""

    TOO_DARK = "too_dark"
    OVEREXPOSED = "overexposed"
    GLARE = "glare"
    LOW_CONTRAST = "low_contrast"
    UNEVEN_LIGHT = "uneven_light"
    BLURRY = "blurry"
    NOISY = "noisy"
    LOW_RESOLUTION = "low_resolution"
    CUT_OFF = "cut_off"
    TOO_SMALL = "too_small"
    BLENDS_IN = "blends_in"
    COLOUR_CAST = "colour_cast"


TIPS: Mapping[ReasonCode, str] = MappingProxyType(
    {
        ReasonCode.TOO_DARK: "Too dark: turn on the lights or shoot by a window in daylight.",
        ReasonCode.OVEREXPOSED: "Too bright: turn away from the light, or tap the item on the screen before you shoot.",
        ReasonCode.GLARE: "A reflection hides part of it: turn off the flash, or step to one side.",
        ReasonCode.LOW_CONTRAST: "Hazy and pale: wipe the lens and keep bright light behind you.",
        ReasonCode.UNEVEN_LIGHT: "Half in shade: move it, or wait, until the light falls evenly on it.",
        ReasonCode.BLURRY: "Blurry: hold the phone with both hands, tap the item to focus, then shoot.",
        ReasonCode.NOISY: "Grainy: add light, so that the camera need not brighten a dark picture.",
        ReasonCode.LOW_RESOLUTION: "Too coarse: upload the original photo, not a screenshot or a forwarded copy.",
        ReasonCode.CUT_OFF: "Cut off: step back until the whole item is in the picture.",
        ReasonCode.TOO_SMALL: "Too far away: step closer until the item fills most of the picture.",
        ReasonCode.BLENDS_IN: "Hard to make out: put it in front of a plain background of another colour.",
        ReasonCode.COLOUR_CAST: "Wrong colours: shoot in daylight, without coloured lamps or filters.",
    }
)
"""One tip for each reason, in English: the table to translate."""
