"""Lines of a night's folder, read as a night reads them."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from ltrr.logs.file_lines import read_lines
from ltrr.logs.folder import list_folder


def read_folder(spark: SparkSession, folder: object) -> DataFrame:
    return read_lines(spark, str(folder), list(list_folder(spark, str(folder)).read))
