"""The page as one string of HTML that asks nobody for anything."""

import base64
import hashlib
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from worker.report.gather import Report


def render(report: Report) -> str:
    """Write the page. Jinja escapes whatever comes from the database, in text and in the script's data alike."""
    environment = Environment(
        loader=PackageLoader("worker.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = _moment
    style, script = (_asset(environment, name) for name in ("page.css", "page.js"))
    return environment.get_template("page.html").render(
        report=report,
        style=style,
        script=script,
        policy=_policy(style, script),
    )


def _asset(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _policy(style: str, script: str) -> str:
    """The browser runs this script and this style alone, shows embedded images, and asks for nothing else."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
