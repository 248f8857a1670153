"""The command `course grade`."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from course.cli import app
from course.grading.submission import Record
from tests.grading import corpus

EVERYTHING = "COURSE_ADVERSARIAL" in os.environ


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Say what to grade"),
        (["lesson.ipynb", "."], "There is no lesson"),
        (["{lesson}", "nowhere"], "There is no folder"),
        (["{lesson}", ".", "--sandbox", "jail"], "no sandbox 'jail'"),
        (["{lesson}", ".", "--solution", "x.ipynb"], "There is no solution"),
    ],
)
def test_refusals(small: tuple[Path, Path], tmp_path: Path, arguments: list[str], words: str) -> None:
    arguments = [argument.format(lesson=small[0]) for argument in arguments]
    result = CliRunner().invoke(app, ["grade", *arguments, "-o", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not EVERYTHING, reason="half a minute: make adversarial")
def test_killed_driver_resumes_with_exactly_the_rest(small: tuple[Path, Path], tmp_path: Path) -> None:
    cases = {case.name: case.data for case in corpus.CASES}
    (tmp_path / "in").mkdir()
    for number, name in enumerate(["correct", "untouched", "os._exit", "truncated JSON"] * 3):
        (tmp_path / "in" / f"s{number:02}.ipynb").write_bytes(cases[name])
    journal = tmp_path / "out/records.jsonl"
    command = [sys.executable, "-m", "course.cli", "grade", str(small[0]), str(tmp_path / "in")]
    command += ["-o", str(tmp_path / "out"), "--jobs", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as driver:
        while not journal.exists() or journal.read_bytes().count(b"\n") < 3:
            assert driver.poll() is None
        os.kill(driver.pid, signal.SIGKILL)
    before = journal.read_bytes()
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr  # some need attention
    assert journal.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    records = [Record.from_json(line) for line in journal.read_bytes().splitlines()]
    assert sorted(record.student for record in records) == [f"s{number:02}" for number in range(12)]
    assert len({record.seed for record in records}) == 1 == len([json.loads((tmp_path / "out/run.json").read_text())])
    by_student = sorted(records, key=lambda record: record.student)
    assert [record.points for record in by_student] == [35, 0, 25, 0] * 3
