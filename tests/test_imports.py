"""The import graph of `ltrr`: rules that import-linter cannot express."""

import ast
from pathlib import Path

import pytest

import ltrr
from ltrr.pipelines.jobs import JOBS

ROOT = Path(ltrr.__file__).parent


def modules():
    """Module name -> file."""
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        parts = file.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports_of(files):
    """Module name -> modules of ltrr that it imports anywhere, in functions and for types too.

    Importing a module runs the `__init__` of its packages, so these are imported as well.
    """
    graph = {}
    for name, file in files.items():
        named = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                assert node.level == 0, f"{name}: relative import"
                named |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        graph[name] = (named & files.keys()) - {name}
    return graph


def reachable(graph, starts):
    """`starts` and all modules that they import, directly or through others."""
    seen, todo = set(starts), list(starts)
    while todo:
        new = graph[todo.pop()] - seen
        seen |= new
        todo += new
    return seen


def circles(graph):
    """Pairs of modules that import each other, directly or through others."""
    reach = {name: reachable(graph, graph[name]) for name in graph}
    return sorted((one, other) for one in graph for other in reach[one] if one < other and one in reach[other])


@pytest.fixture(scope="module")
def graph():
    return imports_of(modules())


def test_core_holds_only_what_services_load(graph):
    """A module that no service loads belongs to `estimation` or to the package that uses it."""
    loaded = reachable(graph, [name for name in graph if name.startswith(("ltrr.serving", "ltrr.artifacts"))])
    assert [name for name in graph if name.startswith("ltrr.core.") and name not in loaded] == []


def test_no_modules_import_each_other(graph):
    """A package's `__init__` collects names of its modules, so it does not count in a circle."""
    packages = {name for name in graph if any(other.startswith(f"{name}.") for other in graph)}
    plain = {name: named - packages for name, named in graph.items() if name not in packages}
    assert circles(plain) == []


def test_circles_are_found():
    """The search finds a circle through a third module, and none in a chain."""
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_every_module_has_a_use(graph):
    """Each module is imported, started by name, or meant for users of `ltrr ope-draws`."""
    packages = {name for name in graph if any(other.startswith(f"{name}.") for other in graph)}
    used = set().union(*graph.values())
    started_by_name = {"ltrr.config.reference", "ltrr.tables.markdown", *(f"ltrr.pipelines.{name}" for name in JOBS)}
    # They compute columns of draw logs from data that only users have.
    for_users = {f"ltrr.estimation.{name}" for name in ("placement", "reward_to_go")}
    assert {name for name in graph if name not in used | packages} - started_by_name == for_users
