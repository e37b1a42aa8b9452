"""The eight jobs of a night, their order, and the jobs that each job needs."""

from collections.abc import Mapping
from functools import cache

from ltrr.errors import UsageError

JOBS = (
    "ingest_logs",
    "fit_click_model",
    "build_memory",
    "compute_strategy_features",
    "train_bandit",
    "train_ranker",
    "evaluate_policies",
    "publish_policy",
)

# The same edges as in the DAG. A scheduler may run two jobs in either order if no edges order them.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "ingest_logs": (),
    "fit_click_model": ("ingest_logs",),
    "build_memory": ("fit_click_model",),
    "compute_strategy_features": ("fit_click_model",),
    "train_bandit": ("build_memory", "compute_strategy_features"),
    "train_ranker": ("build_memory", "compute_strategy_features"),
    "evaluate_policies": ("train_bandit", "train_ranker"),
    "publish_policy": ("evaluate_policies",),
}


def check_job(name: str) -> str:
    """The name itself, if there is such a job.

    >>> check_job("train_ranker")
    'train_ranker'

    Raises:
        UsageError: There is no such job; the message lists all jobs.
    """
    if name not in JOBS:
        raise UsageError("unknown job", which="job", expected=" | ".join(JOBS), got=name)
    return name


@cache
def comes_before(writer: str, reader: str) -> bool:
    """Whether every scheduler runs `reader` after `writer` in the same night.

    >>> comes_before("ingest_logs", "publish_policy"), comes_before("publish_policy", "ingest_logs")
    (True, False)
    >>> comes_before("train_bandit", "train_ranker")
    False
    """
    return any(need == writer or comes_before(writer, need) for need in NEEDS[reader])
