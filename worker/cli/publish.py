"""`retake publish`: put one event on the stream, for trying things out and for shell scripts."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

import sys
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.errors import MISUSE


def publish(
    image_url: Annotated[str | None, typer.Argument(help="Where the photo is.", show_default=False)] = None,
    *,
    ad_id: Annotated[str | None, typer.Option(help="The ad it belongs to.")] = None,
    image_id: Annotated[str | None, typer.Option(help="The photo's own name.")] = None,
    seller_id: Annotated[str | None, typer.Option(help="Who uploaded it.")] = None,
    replaces: Annotated[str | None, typer.Option(help="The image_id that this photo is the retake of.")] = None,
    event: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Publish the event in FILE (- for standard input) instead.")
    ] = None,
) -> None:
    """Publish one ad.image.uploaded, and print its event id and its stream entry id."""
    from tasks.events import ImageUploaded, new_event, parse_event
    from worker.publish import Publisher
    from worker.settings import load_settings

    ready: ImageUploaded
    if event is not None:
        ready = parse_event(_read(event))
    elif image_url and ad_id and image_id and seller_id:
        ready = new_event(ad_id=ad_id, image_id=image_id, seller_id=seller_id, image_url=image_url, replaces=replaces)
    else:
        typer.echo("retake: IMAGE_URL with --ad-id, --image-id and --seller-id is needed, or --event FILE", err=True)
        raise typer.Exit(MISUSE)
    settings = load_settings()
    with Publisher(settings.stream_url.get_secret_value(), settings.stream) as publisher:
        typer.echo(f"{ready.id} {publisher.publish(ready)}")


def _read(path: Path) -> bytes:
    return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
