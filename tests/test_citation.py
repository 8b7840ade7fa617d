"""``CITATION.cff`` is one: the fields of version 1.2.0 of the format, and what it says is true."""

import re
from pathlib import Path

import pytest
import yaml

import attnviz

ROOT = Path(__file__).resolve().parent.parent
# https://github.com/citation-file-format/citation-file-format/blob/1.2.0/schema-guide.md
REQUIRED = {"authors", "cff-version", "message", "title"}
KNOWN = REQUIRED | {
    *("abstract", "commit", "contact", "date-released", "doi", "identifiers", "keywords", "license", "license-url"),
    *("preferred-citation", "references", "repository", "repository-artifact", "repository-code", "type", "url"),
    "version",
}


@pytest.fixture(scope="module")
def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_fields_are_those_of_the_format(citation):
    assert set(citation) >= REQUIRED
    assert set(citation) <= KNOWN
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] in ("software", "dataset")
    assert all(isinstance(citation[name], str) and citation[name].strip() for name in ("message", "title", "abstract"))
    assert len(set(citation["keywords"])) == len(citation["keywords"])


def test_it_names_nobody_but_the_contributors(citation):
    assert citation["authors"] == [{"name": "attnviz contributors"}]


def test_version_and_licence_are_those_of_the_package(citation):
    assert citation["version"] == attnviz.__version__
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^license = "(.+)"$', pyproject, re.MULTILINE)[1] == citation["license"]
