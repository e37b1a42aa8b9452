"""Pages of a bundle with other strategies are left out, even with as many features."""

from datetime import date
from types import SimpleNamespace

import pytest

from ltrr.artifacts.bundle import publish_bundle, uniform_bundle
from ltrr.artifacts.manifest import PolicySettings
from ltrr.pipelines.alike_pages import only_alike_pages

pytestmark = pytest.mark.spark
DAY = date(2026, 3, 1)


def test_pages_of_other_strategies_are_left_out_and_a_window_of_one_kind_is_whole(spark, tmp_path):
    policy = PolicySettings("search", ("title", "memory"), block_size=2, budget=2)
    other = PolicySettings("search", ("title", "semantic"), block_size=2, budget=2)
    versions = {
        name: publish_bundle(tmp_path, "search", *uniform_bundle(settings, DAY))
        for name, settings in (("ours", policy), ("theirs", other))
    }
    served = [(DAY, "i1", versions["ours"]), (DAY, "i2", versions["theirs"]), (DAY, "i3", versions["ours"])]
    pages = [(DAY, f"i{n}", f"e{n}") for n in (1, 2, 3)]
    rows = spark.createDataFrame(pages, "log_date date, impression_id string, entity_id string")

    def kept(impressions):
        frame = spark.createDataFrame(impressions, "log_date date, impression_id string, policy_version string")
        night = SimpleNamespace(
            date=DAY,
            settings=SimpleNamespace(policy=policy),
            policies_root=str(tmp_path),
            read={"impressions": frame}.__getitem__,
        )
        return sorted(row.impression_id for row in only_alike_pages(night, rows, [DAY]).collect())

    assert kept(served) == ["i1", "i3"]
    assert kept([(day, page, versions["ours"]) for day, page, _ in served]) == ["i1", "i2", "i3"]
