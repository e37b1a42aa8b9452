"""The error for a missing or wrong Java is one sentence: which, expected, got, what to do."""

import re

import pytest

from ltrr.spark.java import Java, find_java


@pytest.fixture
def java_that_says(tmp_path, monkeypatch):
    """Makes a JAVA_HOME whose java prints the text given."""

    def install(text):
        launcher = tmp_path / "bin" / "java"
        launcher.parent.mkdir()
        launcher.write_text(f"#!/bin/sh\ncat >&2 <<'TEXT'\n{text}\nTEXT\n")
        launcher.chmod(0o755)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    return install


def test_a_java_that_is_new_enough(java_that_says):
    java_that_says('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment')
    found = find_java()
    assert isinstance(found, Java)
    assert (found.major, found.found_by) == (17, "JAVA_HOME")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ('openjdk version "11.0.2" 2019-01-15', "Java >= 17 is needed, but .* is Java 11: install one"),
        ('java version "1.8.0_402"', "Java >= 17 is needed, but .* is Java 8: install one"),
        ("no version here", "does not report a version .output: no version here.: install one"),
    ],
)
def test_a_java_that_will_not_do(java_that_says, said, sentence):
    java_that_says(said)
    found = find_java()
    assert isinstance(found, str)
    assert "\n" not in found
    assert re.search(sentence, found)


def test_java_home_without_java(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert "does not exist" in find_java()


def test_no_java_at_all(tmp_path, monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "JAVA_HOME is not set and there is no java on PATH" in find_java()
