"""The home of a demo: its settings file and the uniform bundle, the first champion."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from ltrr.artifacts.manifest import PolicySettings
from ltrr.config import write_home_file


def write_demo_settings(home: Path, policy: PolicySettings, first_date: date) -> Path:
    """Write the home's `ltrr.yaml`: policy over all strategies of the world, first date."""
    told: dict[str, Any] = {
        "history_starts": first_date,
        # A promotion waits for its slices for up to two weeks, which a demo of a few nights does not have.
        "gate": {"waits_for_slices": False},
        "policy": {
            "name": policy.name,
            "strategies": list(policy.strategies),
            "block_size": policy.block_size,
            "budget": policy.budget,
            "decide": policy.decide,
            "observe": policy.observe,
            "features": list(policy.features),
            "exploration": policy.exploration.to_json(),
        },
    }
    return write_home_file(home, told)
