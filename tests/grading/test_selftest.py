"""`course grade --self-test`, for real: what is stopped, and what is said to get through where nothing stops it."""

import socket
import sys
from pathlib import Path

import pytest

from course.grading import judging, selftest
from course.grading.sandbox import Sandbox, choose
from course.grading.selftest import ATTACKS, ENDINGS, FORGERIES, try_all


def result(sandbox: Sandbox) -> dict[str, bool]:
    return {what: stopped for what, stopped, _ in try_all(sandbox)}


def test_everything_is_stopped_in_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "ENDINGS", {"kill the kernel": ENDINGS["kill the kernel"]})  # the others take long
    found = result(choose("bwrap"))
    assert len(found) == len(ATTACKS) + len(FORGERIES) + 2
    assert [what for what, stopped in found.items() if not stopped] == []


@pytest.mark.parametrize("what", sorted(set(ATTACKS) - {"start a hundred processes", "take 20 GB of memory"}))
def test_where_nothing_stops_it_an_attack_succeeds(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_SELF_TEST", "1")
    (tmp_path / "secret").touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = {"secret": str(tmp_path / "secret"), "folder": str(tmp_path), "port": server.getsockname()[1]}
        here |= {"command": sys.orig_argv, "stopped": True}
        exec(ATTACKS[what], here)
    assert here["stopped"] is False


def test_a_judge_that_can_be_deceived_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "ATTACKS", {})
    monkeypatch.setattr(selftest, "ENDINGS", {})
    honest = judging.judge_one

    def deceived(*arguments):  # by whatever has been written
        outcome, *more = honest(*arguments)
        return ("correct" if outcome == "wrong" else outcome, *more)

    monkeypatch.setattr(judging, "judge_one", deceived)
    assert [what for what, stopped in result(choose("bwrap")).items() if not stopped] == list(FORGERIES)
