"""`python -m worker`: the same as `retake`."""

from worker.cli import app

app()
