"""`ltrr simulate`: logs of one day from a world of known truth, served by the published policy."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ltrr.cli.options import Date, Hybrid, Json, Set, WorldData, WorldName, check_home, parse_date
from ltrr.cli.output import narrow_stderr, show_rows
from ltrr.config import HOME_FILE, load_settings
from ltrr.demo.first_policy import write_demo_settings
from ltrr.demo.loop import current_policy
from ltrr.demo.worlds import WorldChoice, build_world
from ltrr.publishing.first_champion import publish_first_champion
from ltrr.simulation.day import serve_day
from ltrr.simulation.rankings import default_cache


def simulate(
    date_: Date,
    home: Annotated[
        Path,
        typer.Option("--home", callback=check_home, help="Home that gets the logs; a new one is made."),
    ],
    impressions: Annotated[int, typer.Option("--impressions", min=1, help="Number of searches of the day.")] = 2_000,
    world: WorldName = "music",
    data: WorldData = None,
    hybrid: Hybrid = True,
    shadow: Annotated[
        bool,
        typer.Option("--shadow", help="Start a new home in shadow mode: static pages, and what the policy would draw."),
    ] = False,
    static_plan: Annotated[
        str | None, typer.Option("--static-plan", help="Plan of the static page, such as title:2,popular:2.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the users' behaviour.")] = 7,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Write the logs of one date: simulated users search, the policy answers, and they click.

    A new home gets settings that fit the world, its first date, and the uniform policy.
    """
    day = parse_date(date_)
    real = build_world(WorldChoice(world, data, hybrid), default_cache())
    for note in real.notes:
        narrow_stderr().print(f"world {real.name}: {note}")
    if not (home / HOME_FILE).exists():
        write_demo_settings(home, real.policy_settings(), day)
    settings = load_settings(home, None, changes or ())
    publish_first_champion(settings.paths.policies, settings.policy, settings.first_date, shadow=shadow or None)
    log = serve_day(
        real,
        current_policy(settings),
        day,
        impressions=impressions,
        seed=seed,
        logs_root=Path(settings.paths.logs),
        static_plan=None if static_plan is None else settings.policy.space.index(static_plan),
    )
    show_rows([asdict(log) | {"folder": str(log.folder)}], f"{real.name}, {day}", as_json=as_json)
