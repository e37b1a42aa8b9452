"""`ltrr entities`: the catalogue of a home."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ltrr.cli.options import Common, with_common
from ltrr.logs.landing import list_log_files
from ltrr.pipelines.entity_catalogue import store_catalogue
from ltrr.spark.lease import hold_lease
from ltrr.spark.session import build_session


@with_common
def entities(
    common: Common,
    paths: Annotated[list[str], typer.Argument(help="Files of the catalogue, or folders of them.", show_default=False)],
) -> None:
    """Take a catalogue of entities: id, title and other fields, one object per line or row.

    Nights use it for text features of pages without logged features, reports for titles.
    """
    settings = common.settings()
    files = list_log_files(paths)
    spark = build_session("ltrr entities", settings.spark)
    with hold_lease(settings.paths.home, "taking a catalogue", tables=settings.paths.tables):
        version, counts = store_catalogue(spark, settings, files)
    row: dict[str, Any] = {"catalogue": version, "entities": counts.entities, "with a title": counts.titles}
    common.show([row], f"Catalogue of {settings.paths.home}")
