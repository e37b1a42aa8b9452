"""One random and one music world, shared by the tests of this folder; no test changes them."""

import pytest

from ltrr.simulation.music import music_world
from ltrr.simulation.world import World
from tests.simulation.small_worlds import chance_world


@pytest.fixture(scope="session")
def chance() -> World:
    return chance_world()


@pytest.fixture(scope="session")
def music() -> World:
    return music_world(artists=30, queries=300, semantic=False)
