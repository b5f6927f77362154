"""Downloading a photo from an address that a stranger chose."""

from tasks.fetch.fetcher import Fetcher
from tasks.fetch.policy import FetchPolicy

__all__ = ["FetchPolicy", "Fetcher"]
