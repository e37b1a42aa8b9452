"""`ltrr policies challengers`: who is under test, how far its trial is, and what the budget still holds."""

from __future__ import annotations

from pyspark.sql import functions as F

from ltrr.cli.options import Config, Home, Json, Set, settings_of
from ltrr.cli.output import show_rows
from ltrr.publishing.challenger_rows import CHALLENGERS, read_challengers
from ltrr.spark.delta import Warehouse
from ltrr.spark.session import build_session


def list_challengers(home: Home = None, config: Config = None, changes: Set = None, as_json: Json = False) -> None:
    """The newest page of the gate's book: who is under test, and whose alpha is still held."""
    settings = settings_of(home, config, changes)
    warehouse = Warehouse(build_session("ltrr policies challengers", settings.spark), settings.paths.tables)
    book = warehouse.read(CHALLENGERS)
    newest = book.agg(F.max("as_of_date")).first()
    page = read_challengers(book, newest[0]) if newest and newest[0] else []
    title = f"Challengers as of {newest[0]}" if page and newest else "Nobody is under test"
    show_rows([one.to_json() for one in page], title, as_json=as_json)
