"""A service that loads a policy imports no batch library."""

import subprocess
import sys
from pathlib import Path

from ltrr.artifacts.bundle import move_pointer, publish_bundle
from tests.artifacts.bundles import learned_bundle

SERVICE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from ltrr.serving import Block, Policy
early = sorted(name for name in ("xgboost", "vowpalwabbit") if name in sys.modules)
policy = Policy.load({url!r})
looks = [Block(name, 1, "ok", ("e1", "e2"), (2.0, 1.0)) for name in policy.space.strategies]
choice = policy.plan("the matrix", looks, seed="i1")
page = policy.rank("the matrix", looks)
loaded = sorted({{name.split(".")[0] for name in sys.modules}} & {absent})
print(early, loaded, choice.version, len(page.entity_ids))
"""

BATCH = {"pyspark", "delta", "mlflow", "airflow", "pandas", "pyarrow", "pydantic", "sklearn", "typer", "yaml"}


def test_a_new_interpreter_serves_without_batch_libraries(tmp_path: Path) -> None:
    version = publish_bundle(tmp_path, "search", *learned_bundle())
    move_pointer(tmp_path, "search", version)
    program = SERVICE.format(url=str(tmp_path / "search"), absent=BATCH)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["[]", "[]", version, "2"]


def test_importing_serving_finds_nothing_of_spark(tmp_path: Path) -> None:
    program = "import sys, ltrr.serving; print(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert not BATCH & set(done.stdout.replace("'", " ").replace(",", " ").split())
