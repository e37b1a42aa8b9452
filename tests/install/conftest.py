"""One installation for all tests of this folder."""

import pytest

from tests.install.installed import Installation, build_wheel, install_wheel


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Installation:
    folder = tmp_path_factory.mktemp("installed")
    return install_wheel(build_wheel(folder / "dist"), folder)
