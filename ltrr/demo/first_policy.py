"""The settings file of a demo's home."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from ltrr.artifacts.manifest import PolicySettings
from ltrr.config import home_layer, write_home_file


def write_demo_settings(home: Path, policy: PolicySettings, first_date: date) -> Path:
    """Write `ltrr.yaml` of the home: policy, first date, a gate that does not wait for slices."""
    # By default a promotion waits up to two weeks for evidence on slices. A demo has a few nights.
    return write_home_file(home, {**home_layer(policy, first_date), "gate": {"waits_for_slices": False}})
