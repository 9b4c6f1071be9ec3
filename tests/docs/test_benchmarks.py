"""docs/benchmarks.md is what benchmarks/page.py writes: tables between markers, text around them."""

from __future__ import annotations

import re
import runpy

import pytest

from tests.pages import ROOT, read, snippets

SCRIPT = runpy.run_path(str(ROOT / "benchmarks" / "page.py"))
PAGE = read("docs/benchmarks.md")
SNIPPETS = {("Benchmarks", "sh"): 1, ("On a GPU", "sh"): 1}


def test_the_commands_of_the_page_are_those_that_there_are() -> None:
    found = snippets(PAGE)
    assert {place: len(texts) for place, texts in found.items()} == SNIPPETS
    whole, some = [line.partition("#")[0].split()[1:] for line in found["Benchmarks", "sh"][0].splitlines()]
    assert whole == ["benchmarks/page.py"]
    assert some[:2] == ["benchmarks/page.py", "--only"]
    assert set(some[2:]) < set(SCRIPT["BLOCKS"])
    tests, look = [line.partition("#")[0].split() for line in found["On a GPU", "sh"][0].splitlines()]
    assert tests == ["pytest", "-m", "gpu"]
    assert any("mark.gpu" in file.read_text(encoding="utf-8") for file in (ROOT / "tests" / "attach").glob("*.py"))
    assert look[1:3] == ["benchmarks/look.py", "--device"]
    assert '"--device"' in (ROOT / look[1]).read_text(encoding="utf-8")


SNIPPETS = {
    ("Benchmarks", "sh"): 1,
    ("On a GPU", "sh"): 1,
}


def test_the_page_has_a_place_for_each_block_and_for_no_other() -> None:
    assert re.findall(r"<!-- (\w+): from here -->", PAGE) == re.findall(r"<!-- (\w+): to here -->", PAGE)
    assert re.findall(r"<!-- (\w+): from here -->", PAGE) == [*SCRIPT["BLOCKS"]]


@pytest.mark.parametrize("name", SCRIPT["BLOCKS"])
def test_each_block_says_by_which_command_it_is_measured_or_to_be_measured(name: str) -> None:
    block = re.findall(rf"<!-- {name}: from here -->\n(.*)<!-- {name}: to here -->", PAGE, re.DOTALL)[0]
    scripts = {command.split()[0] for command in SCRIPT["BLOCKS"][name].commands}
    said = set(re.findall(r"python benchmarks/(\w+\.py)", " ".join(block.split())))
    assert said == scripts if "|---|" in block else said == {"page.py"}


def test_what_is_put_into_a_block_leaves_the_rest_of_the_page() -> None:
    before, after = "# A\n<!-- one: from here -->\n", "<!-- one: to here -->\n<!-- two: from here -->\n3\n"
    assert SCRIPT["put"](f"{before}old\n{after}", "one", "new | \\1") == f"{before}new | \\1\n{after}"
    with pytest.raises(SystemExit, match="must have <!-- two: from here --> and <!-- two: to here --> once each"):
        SCRIPT["put"](f"{before}old\n{after}", "two", "new")


def test_only_tables_are_taken_from_what_a_benchmark_prints() -> None:
    assert (
        SCRIPT["tables"]("round 1: 1.2 | 1.3\n\n| a |\n|---|\n| 1 |\nload\n\n| b |\n") == "| a |\n|---|\n| 1 |\n\n| b |"
    )
    assert SCRIPT["tables"]("no table\n") == ""


@pytest.mark.parametrize("name", SCRIPT["BLOCKS"])
def test_the_commands_are_understood_by_their_scripts(name: str) -> None:
    for command in (*SCRIPT["BLOCKS"][name].commands, *SCRIPT["BLOCKS"][name].quick):
        script, *arguments = command.split()
        options = set(re.findall(r"--[a-z]+", (ROOT / "benchmarks" / script).read_text(encoding="utf-8")))
        assert {argument for argument in arguments if argument.startswith("--")} <= options


def test_a_benchmark_that_fails_ends_it_with_what_it_said() -> None:
    with pytest.raises(SystemExit, match=r"benchmarks/seeds.py --only sun ended with 2:[\s\S]*invalid choice: 'sun'"):
        SCRIPT["measured"](["seeds.py --only sun"])


def test_the_commands_of_the_page_name_what_there_is() -> None:
    (commands,) = snippets(PAGE)["Benchmarks", "sh"]
    (chosen,) = re.findall(r"--only ([\w ]+?) +#", commands)
    assert set(chosen.split()) <= set(SCRIPT["BLOCKS"])
    assert {line.split()[1] for line in commands.splitlines()} == {"benchmarks/page.py"}
    gpu, look = (line.split("#")[0].split() for line in snippets(PAGE)["On a GPU", "sh"][0].splitlines())
    assert f'"{gpu[-1]}: needs a CUDA device' in read("pyproject.toml")
    assert f'"{look[2]}"' in read(look[1])
