"""What the project says in two places is the same in both, and `import course` stays light."""

import json
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import yaml
from packaging.requirements import Requirement

import course

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

CONDA_NAMES = {"torch": "pytorch", "vesin": "python-vesin"}


def test_conda_environment_asks_for_the_same_as_pyproject() -> None:
    project = PYPROJECT["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["lessons"]
    wanted = [Requirement(f"python{project['requires-python']}"), Requirement("pip"), *map(Requirement, lines)]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *lines, pip = environment["dependencies"]
    assert pip == {"pip": ["-e ."]}
    given = {requirement.name: requirement.specifier for requirement in map(Requirement, lines)}
    assert given == {CONDA_NAMES.get(each.name, each.name): each.specifier for each in wanted}


def test_one_version_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    newest = next(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## [0"))
    version = PYPROJECT["project"]["version"]
    assert course.__version__ == version == citation["version"] == newest.split("[")[1].split("]")[0]


def test_import_course_is_light() -> None:
    code = "import course, json, sys; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT))
    heavy = {"matplotlib", "ipywidgets", "anywidget", "nglview", "IPython", "nbformat", "pytest"}
    assert not heavy.intersection(loaded)


def test_every_file_of_the_package_is_installed() -> None:
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["course"]
    files = subprocess.check_output(["git", "ls-files", "course"], text=True, cwd=ROOT).split()
    others = [path.removeprefix("course/") for path in files if not path.endswith(".py")]
    assert not [path for path in others if not any(fnmatch(path, pattern) for pattern in patterns)]


def test_every_file_that_a_page_links_to_exists() -> None:
    for page in ["README.md", "CONTRIBUTING.md"]:
        parts = (ROOT / page).read_text(encoding="utf-8").split("](")[1:]
        targets = [part.split(")")[0] for part in parts]
        missing = [target for target in targets if "://" not in target and not (ROOT / target).exists()]
        assert not missing, f"{page} links to {missing}"
