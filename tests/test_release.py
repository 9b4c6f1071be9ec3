"""What a release is made of: one version, workflows that call what exists, a site checker that finds faults."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import lightning_seqfit

ROOT = Path(__file__).parent.parent
VERSION = lightning_seqfit.__version__
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def parsed(file: Path) -> dict[Any, Any]:
    found = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def steps(workflow: Path) -> Iterator[dict[str, Any]]:
    for job in parsed(workflow)["jobs"].values():
        yield from job.get("steps", [{"uses": job.get("uses", "")}])


class TestVersion:
    def test_the_newest_heading_of_the_changelog_with_a_date_is_the_version(self) -> None:
        headings = re.findall(r"^## \[(.+?)\](.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
        dated = [(version, said) for version, said in headings if version != "Unreleased"]
        assert dated[0][0] == VERSION
        assert all(re.fullmatch(r" - \d{4}-\d\d-\d\d", said) for _, said in dated)
        assert sorted({said for _, said in dated}, reverse=True) == [said for _, said in dated]

    def test_the_citation_is_of_this_version_and_the_day_in_the_changelog(self) -> None:
        assert CITATION["version"] == VERSION
        assert f"## [{VERSION}] - {CITATION['date-released']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    def test_the_citation_has_what_its_format_asks_for(self) -> None:
        assert CITATION["cff-version"] == "1.2.0"
        assert all(isinstance(CITATION[key], str) and CITATION[key] for key in ("message", "title", "abstract"))
        assert [set(author) for author in CITATION["authors"]] == [{"name"}]

    @pytest.mark.skipif(os.name == "nt", reason="the scripts are of bash")
    @pytest.mark.parametrize("tag", ["v9.9.9", "v" + VERSION.replace(".", "x"), f"v{VERSION}0"])
    def test_a_tag_of_another_version_makes_no_release(self, tag: str, tmp_path: Path) -> None:
        said = subprocess.run([ROOT / ".ci" / "release", tag, tmp_path], capture_output=True, text=True)
        assert said.returncode == 1
        assert f"lightning_seqfit/__init__.py is not of {tag}" in said.stderr
        assert not [*tmp_path.iterdir()]

    @pytest.mark.skipif(os.name == "nt", reason="the scripts are of bash")
    def test_a_version_is_no_tag(self, tmp_path: Path) -> None:
        said = subprocess.run([ROOT / ".ci" / "release", VERSION, tmp_path], capture_output=True, text=True)
        assert said.returncode == 1
        assert f"it begins with v, such as v{VERSION}" in said.stderr


class TestWorkflows:
    @pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
    def test_what_a_workflow_calls_is_there_and_can_be_run(self, workflow: Path) -> None:
        called = [step["run"].split()[0] for step in steps(workflow) if "run" in step]
        called += [step["uses"].removeprefix("./") for step in steps(workflow) if step.get("uses", "").startswith("./")]
        assert called
        for name in called:
            assert (ROOT / name).is_file(), name
            assert name.endswith(".yml") or os.access(ROOT / name, os.X_OK), name

    def test_only_what_publishes_may_have_an_identity(self) -> None:
        for workflow in WORKFLOWS:
            assert parsed(workflow)["permissions"] == {"contents": "read"}
            for name, job in parsed(workflow)["jobs"].items():
                assert ("id-token" in job.get("permissions", {})) == (name == "publish")
        jobs = parsed(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
        assert (jobs["publish"]["needs"], jobs["build"]["needs"]) == ("build", "checks")

    @pytest.mark.parametrize("form", FORMS, ids=lambda file: file.name)
    def test_a_form_has_a_name_and_fields_with_ids_of_their_own(self, form: Path) -> None:
        found = parsed(form)
        if form.name == "config.yml":
            assert all(link["url"].startswith("https://") for link in found["contact_links"])
            return
        assert found["name"]
        assert found["description"]
        ids = [field["id"] for field in found["body"]]
        assert len(set(ids)) == len(ids)
        assert all(field["type"] in ("textarea", "input", "dropdown") for field in found["body"])
        assert all(field["attributes"]["label"] for field in found["body"])

    def test_a_wrong_number_is_reported_with_the_diagnosis_the_record_and_the_versions(self) -> None:
        body = parsed(ROOT / ".github" / "ISSUE_TEMPLATE" / "wrong_number.yml")["body"]
        needed = {field["id"] for field in body if field.get("validations", {}).get("required")}
        assert needed == {"what", "diagnosis", "record", "versions"}

    def test_the_site_is_built_as_the_checks_build_it(self) -> None:
        settings = parsed(ROOT / ".readthedocs.yaml")
        assert (ROOT / settings["sphinx"]["configuration"]).is_file()
        assert settings["sphinx"]["fail_on_warning"] is True
        assert any("constraints.txt" in line and "[docs]" in line for line in settings["build"]["jobs"]["install"])


class TestSite:
    PAGE = '<h1 id="top-of-it">A page</h1><a href="{}">there</a><img src="picture.png">'

    def check(self, site: Path, link: str = "other.html#here") -> list[str]:
        (site / "index.html").write_text(self.PAGE.format(link), encoding="utf-8")
        (site / "other.html").write_text('<p id="here">', encoding="utf-8")
        said = subprocess.run([sys.executable, ROOT / ".ci" / "check_site.py", site], capture_output=True, text=True)
        assert said.returncode == bool(said.stderr)
        return said.stderr.splitlines()

    @pytest.fixture
    def site(self, tmp_path: Path) -> Path:
        (tmp_path / "picture.png").touch()
        return tmp_path

    @pytest.mark.parametrize(
        "link",
        [
            "other.html",
            "other.html#here",
            "#top-of-it",
            "#",
            "index.html?a=b#top-of-it",
            "https://nowhere.example/x",
            "mailto:somebody@nowhere.example",
            "https://lightning-seqfit.readthedocs.io/en/latest/other.html#here",
            "https://lightning-seqfit.readthedocs.io/en/latest/",
        ],
    )
    def test_a_site_whose_links_lead_somewhere_passes(self, site: Path, link: str) -> None:
        assert self.check(site, link) == []

    @pytest.mark.parametrize(
        ("link", "why"),
        [
            ("another.html", "there is no such file"),
            ("../index.html", "there is no such file"),
            ("other.html#there", "there is no such place in that page"),
            ("#here", "there is no such place in that page"),
            ("https://lightning-seqfit.readthedocs.io/en/latest/another.html", "there is no such file"),
        ],
    )
    def test_a_link_that_leads_nowhere_is_named_with_its_page(self, site: Path, link: str, why: str) -> None:
        assert self.check(site, link) == [f"index.html: {link}: {why}"]

    def test_a_picture_that_is_missing_a_large_page_and_an_empty_folder_are_named(self, site: Path) -> None:
        (site / "picture.png").unlink()
        assert self.check(site) == ["index.html: picture.png: there is no such file"]
        (site / "picture.png").touch()
        (site / "large.html").write_text("a" * 300_001)
        (site / "llms.txt").write_text("[x](https://lightning-seqfit.readthedocs.io/en/latest/gone.html)")
        assert self.check(site) == [
            "large.html: 300,001 bytes, more than 300,000",
            "llms.txt: https://lightning-seqfit.readthedocs.io/en/latest/gone.html: there is no such file",
        ]
        (site / "empty").mkdir()
        script = [sys.executable, ROOT / ".ci" / "check_site.py", site / "empty"]
        assert "has no page" in subprocess.run(script, capture_output=True, text=True).stderr
