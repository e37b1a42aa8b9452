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
        # One day of a uniform log has to decide: more of its users judge than in a home that can wait for a week.
        "evaluation": {"held_out_percent": 40},
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
