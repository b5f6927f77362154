"""Where the model file lies; apart from the judge, so that who only names it loads nothing heavy."""

from pathlib import Path

DEFAULT_MODEL = Path(__file__).with_name("quality.tflite")
