"""Turning the bytes that a stranger sent into an upright RGB picture."""

from tasks.decode.decoder import DecodedImage, decode

__all__ = ["DecodedImage", "decode"]
