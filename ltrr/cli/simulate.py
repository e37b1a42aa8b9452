"""`ltrr simulate`: logs of one day from a world of known truth, served by the policy that is published."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ltrr.cli.options import Date, Json, Set, check_home, parse_date
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
        typer.Option("--home", callback=check_home, help="Folder that gets the logs; made into a home if it is none."),
    ],
    impressions: Annotated[int, typer.Option("--impressions", min=1, help="Searches of that day.")] = 2_000,
    world: Annotated[
        str, typer.Option("--world", help="music (generated) or msrd (real films and queries).")
    ] = "music",
    data: Annotated[Path | None, typer.Option("--data", help="Folder of the world's data (msrd).")] = None,
    hybrid: Annotated[bool, typer.Option(help="Whether the fusion of lexical and semantic is a strategy.")] = True,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the people's behaviour.")] = 7,
    changes: Set = None,
    as_json: Json = False,
) -> None:
    """Write the logs of one date: people of a world search, the published policy answers, they click.

    A home that is none gets settings that fit the world, its first date, and the uniform policy.
    """
    day = parse_date(date_)
    real = build_world(WorldChoice(world, data, hybrid), default_cache())
    for note in real.notes:
        narrow_stderr().print(f"world {real.name}: {note}")
    if not (home / HOME_FILE).exists():
        write_demo_settings(home, real.policy_settings(), day)
    settings = load_settings(home, None, changes or ())
    publish_first_champion(settings.paths.policies, settings.policy, settings.first_date)
    log = serve_day(
        real,
        current_policy(settings),
        day,
        impressions=impressions,
        seed=seed,
        logs_root=Path(settings.paths.logs),
    )
    show_rows([asdict(log) | {"folder": str(log.folder)}], f"{real.name}, {day}", as_json=as_json)
