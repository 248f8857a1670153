"""Workers of Dask, real processes: the same records, and each submission once, whoever is killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import LocalCluster
from typer.testing import CliRunner

from course.cli import app
from course.grading import dask_engine
from course.grading.dask_engine import RESOURCE, Dask, Prepared, differences, name_of
from course.grading.grader import Assignment, Journal, Threads, grade_all
from course.grading.running import Infrastructure
from course.grading.sandbox import SandboxError, choose
from course.grading.submission import Record, Submission
from tests.grading import corpus

pytestmark = pytest.mark.xdist_group("dask")  # one cluster

SOLUTION, BLANK = corpus.as_bytes(corpus.SOLUTION), corpus.as_bytes(corpus.BLANK)
WRONG = corpus.around("", "def accumulate(messages, receivers, n_atoms): return messages.sum()")
POINTS = {SOLUTION: 35, BLANK: 0, WRONG: 25, b"{": 0}


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, resources={RESOURCE: 1}, dashboard_address=":0"
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def engine(cluster: LocalCluster, assignment: Assignment) -> Iterator[Dask]:
    with Dask(cluster.scheduler_address) as engine:
        engine.prepare(assignment, SOLUTION, BLANK)
        yield engine


def handed_in(*datas: bytes) -> list[Submission]:
    return [Submission(f"s{number}", f"{number}.ipynb", data) for number, data in enumerate(datas)]


def test_same_records_as_on_one_machine(engine: Dask, assignment: Assignment, tmp_path: Path) -> None:
    submissions = handed_in(SOLUTION, BLANK, WRONG, b"{")
    there = grade_all(assignment, submissions, Journal(tmp_path / "there.jsonl"), engine)
    with Threads(2) as threads:
        here = grade_all(assignment, submissions, Journal(tmp_path / "here.jsonl"), threads)
    assert [record.without_time() for record in there] == [record.without_time() for record in here]
    assert [record.points for record in there] == [POINTS[one.data] for one in submissions]


@pytest.mark.timeout(300)  # work that nobody takes over would be waited for without end
def test_killed_worker_costs_nothing(engine: Dask, assignment: Assignment, tmp_path: Path) -> None:
    submissions = handed_in(SOLUTION, WRONG, BLANK, SOLUTION, WRONG)
    journal, workers = Journal(tmp_path / "r.jsonl"), engine.client.run(os.getpid).values()
    over = threading.Event()
    with ThreadPoolExecutor(1) as aside:
        killing = aside.submit(kill_one_at_work, workers, journal.path, over)
        try:
            records = grade_all(assignment, submissions, journal, engine)
        finally:
            over.set()
        killed, servers = killing.result()
    assert [record.points for record in records] == [POINTS[one.data] for one in submissions]
    lines = [Record.from_json(line) for line in journal.path.read_bytes().splitlines()]
    assert sorted(record.student for record in lines) == [one.student for one in submissions]
    end = time.monotonic() + 60
    while left_by(killed, servers) and time.monotonic() < end:
        time.sleep(0.1)
    assert left_by(killed, servers) == []
    assert killed not in engine.client.run(os.getpid).values()


def kill_one_at_work(workers: Iterable[int], journal: Path, over: threading.Event) -> tuple[int, list[psutil.Process]]:
    """SIGKILL for a worker in the middle of a submission, not the first one; which, and the processes below it."""
    while not over.wait(0.01):
        for pid in workers if journal.exists() else []:
            with contextlib.suppress(psutil.NoSuchProcess):  # one that has ended between two looks
                worker = psutil.Process(pid)
                servers = worker.children()
                if any(server.children() for server in servers):
                    worker.kill()
                    return pid, servers
    raise AssertionError("After the first record no worker was seen in the middle of a submission.")


def left_by(pid: int, servers: list[psutil.Process]) -> list[str]:
    """Processes and folders of a grading process that is no more."""
    marks = [f"course-{what}-{pid}-" for what in ("grade", "fork")]
    alive = [p for p in psutil.process_iter(["cmdline"]) if any(m in w for w in p.info["cmdline"] or [] for m in marks)]
    alive += [server for server in servers if server.is_running()]
    return [str(p) for p in alive] + [path.name for mark in marks for path in Path("/tmp").glob(f"{mark}*")]


def test_killed_driver_resumes_with_exactly_the_rest(
    cluster: LocalCluster, small: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    wanted = {}
    for one in handed_in(SOLUTION, b"{", WRONG, BLANK, SOLUTION, WRONG):
        (tmp_path / "in" / f"{one.student}.ipynb").write_bytes(one.data)
        wanted[one.student] = POINTS[one.data]
    journal = tmp_path / "out/records.jsonl"
    command = [sys.executable, "-m", "course.cli", "grade", str(small[0]), str(tmp_path / "in")]
    command += ["-o", str(tmp_path / "out"), "--dask", cluster.scheduler_address]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as driver:
        end = time.monotonic() + 400
        try:
            while not journal.exists() or journal.read_bytes().count(b"\n") < 2:
                assert driver.poll() is None, f"it ended with code {driver.returncode} before its second record"
                assert time.monotonic() < end, "no two records in 400 s"
                time.sleep(0.01)
        finally:
            driver.kill()
    before = journal.read_bytes()
    assert before.count(b"\n") < len(wanted)
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, timeout=400)
    assert done.returncode == 1, done.stdout + done.stderr  # one is no notebook
    assert journal.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    records = [Record.from_json(line) for line in journal.read_bytes().splitlines()]
    assert len(records) == len(wanted) and {record.student: record.points for record in records} == wanted


def test_failure_around_the_grading_is_no_zero(
    engine: Dask, assignment: Assignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "run", "what no worker holds")
    (one,) = handed_in(SOLUTION)
    first, again = engine.start(assignment, one), engine.start(assignment, one)
    assert first.key != again.key, "Dask would remember that it has failed"
    for future in (first, again):
        ((_, record),) = engine.finished([future])
        assert record.status == "infrastructure" and record.points is None
        assert "what no worker holds" in record.notes[-1]


# ------------------------------------------------------------------------------------------- what is said at the start


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://here"])
def test_nobody_answers(
    small: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(dask_engine, "CONNECT_SECONDS", 0.5)
    submissions, out = tmp_path / "in", tmp_path / "out"
    submissions.mkdir()
    result = CliRunner().invoke(app, ["grade", str(small[0]), str(submissions), "-o", str(out), "--dask", address])
    assert result.exit_code == 2
    assert f"No Dask scheduler answers at {address}" in " ".join(result.output.split())
    assert not out.exists()


def test_dask_is_not_installed(small: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "course.grading.dask_engine", None)
    result = CliRunner().invoke(app, ["grade", str(small[0]), str(tmp_path), "--dask", "tcp://127.0.0.1:1"])
    assert result.exit_code == 2 and "practical-nnp[dask]" in result.output


def test_no_workers_and_workers_without_slots(
    engine: Dask, assignment: Assignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(engine, "workers", lambda: {"tcp://a": 1, "tcp://b": 0})
        with pytest.raises(Infrastructure, match="without a slot for a kernel: tcp://b.*--resources"):
            engine.prepare(assignment, SOLUTION, BLANK)
    monkeypatch.setattr(dask_engine, "CONNECT_SECONDS", 1)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as empty,
        Dask(empty.scheduler_address) as alone,
        pytest.raises(Infrastructure, match=r"has no workers\. Start them with"),
    ):
        alone.prepare(assignment, SOLUTION, BLANK)


def test_versions_are_compared(engine: Dask, assignment: Assignment, monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"torch": "2.9.0", "numpy": "2.3", "nbval": "0.11.0"}
    assert differences(here, here) == ""
    assert differences(here, {"torch": "2.8.0", "numpy": "2.3"}) == "nbval missing, not 0.11.0, torch 2.8.0, not 2.9.0"
    found: Any = engine.client.get_versions(packages=dask_engine.COMPARED)
    found["client"]["packages"]["torch"] = "9"
    monkeypatch.setattr(engine.client, "get_versions", lambda packages: found)
    with pytest.raises(Infrastructure, match=r"Worker tcp://.* has other versions than this machine: torch .*, not 9"):
        engine.prepare(assignment, SOLUTION, BLANK)


def test_other_code_and_a_broken_grader_on_a_worker(
    cluster: LocalCluster, assignment: Assignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(assignment, seed=assignment.seed + 1)
    with (
        Dask(cluster.scheduler_address) as engine,
        pytest.raises(Infrastructure, match=r"Worker tcp://.*The solution got 0.* points, not 35"),
    ):
        engine.prepare(other, BLANK, BLANK)
    monkeypatch.setattr(dask_engine, "CODE", "that of another checkout")
    with (
        Dask(cluster.scheduler_address) as engine,
        pytest.raises(Infrastructure, match=r"Worker tcp://.*: its package .*/course is not the driver's"),
    ):
        engine.prepare(other, SOLUTION, BLANK)


def test_other_sandbox_on_a_worker(assignment: Assignment, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = Prepared(assignment, SOLUTION, BLANK)
    prepared.setup(None)  # type: ignore[arg-type]
    prepared.assignment = replace(assignment, sandbox=replace(assignment.sandbox, image="another"))
    with pytest.raises(Infrastructure, match="its sandbox is not the driver's"):
        prepared.try_out()
    prepared.assignment, prepared.words = assignment, "bwrap: a user namespace"
    with pytest.raises(Infrastructure, match="its sandbox is not the driver's, but /usr/bin/bwrap: .*another user"):
        prepared.try_out()
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SandboxError, match="bwrap is not installed"):
        prepared.try_out()


def test_the_canary_is_tried_once_a_worker(assignment: Assignment, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []
    monkeypatch.setattr(dask_engine, "canary", lambda *arguments: tried.append(arguments))
    prepared = Prepared(assignment, SOLUTION, BLANK)
    prepared.setup(None)  # type: ignore[arg-type]
    prepared.try_out()
    prepared.try_out()
    assert tried == [(assignment, SOLUTION, BLANK)]


def test_workers_hold_an_assignment_under_a_name_that_hides_its_seed(assignment: Assignment) -> None:
    others = [replace(assignment, seed=assignment.seed + 1), replace(assignment, hash="another lesson")]
    others.append(replace(assignment, limits=replace(assignment.limits, cell_seconds=1)))
    names = [name_of(one) for one in (assignment, replace(assignment), *others)]
    assert names[0] == names[1] and len(set(names)) == 4
    assert str(assignment.seed) not in names[0]


def test_a_sandbox_is_needed(engine: Dask, assignment: Assignment) -> None:
    with pytest.raises(Infrastructure, match="--dask needs a sandbox"):
        engine.prepare(replace(assignment, sandbox=choose("none")), SOLUTION, BLANK)


def test_gives_up_where_no_worker_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOST_SECONDS", "LOOK_EVERY"):
        monkeypatch.setattr(dask_engine, name, 0.2)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as empty,
        Dask(empty.scheduler_address) as engine,
    ):
        future = engine.client.submit(os.getpid, resources={RESOURCE: 1})
        with pytest.raises(Infrastructure, match="has had no worker for 0.2 s: go on with --resume"):
            list(engine.finished([future]))
