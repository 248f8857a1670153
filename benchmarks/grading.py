"""`course grade` on a class of Day 2: how fast, what it leaves behind, and what it loses when it is killed.

    python -m benchmarks.grading many [N] [JOBS]     N submissions (300): seconds, memory, processes, files
    python -m benchmarks.grading killed [N]          the grader and its processes are killed, again and again (N = 24)
    python -m benchmarks.grading dask [N]            two workers of Dask beside two jobs, on N = 20 that do not hang

All end with exit code 1 where a mark is not the wanted one, or something is lost, doubled or left over.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.classroom import LESSON, SOLUTION, Work, write
from course.grading.collect import collect
from course.grading.grader import Journal, Threads, _fork_servers, grade_all, prepare
from course.grading.reports import write_reports
from course.grading.sandbox import choose
from course.grading.submission import Record

# ---------------------------------------------------------------------------------------------------------- many


@dataclass
class Watch:
    """Looks at this process and all below it, a few times a second."""

    cpu: dict[tuple[int, float], float] = field(default_factory=dict)  # of each process below, when last seen
    most_processes: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.wait(0.2):
            below = psutil.Process().children(recursive=True)
            self.most_processes = max(self.most_processes, len(below))
            for process in below:
                try:
                    times = process.cpu_times()
                    self.cpu[process.pid, process.create_time()] = times.user + times.system
                except psutil.Error:
                    continue


def held() -> dict[str, float]:
    """What this process holds: MB, processes below it, file descriptors, threads, files of its own in /tmp."""
    me = psutil.Process()
    servers = [psutil.Process(server.process.pid) for server in _fork_servers.values()]
    return {
        "MB of the driver": round(me.memory_info().rss / 1e6, 1),
        "MB of the fork server": round(sum(server.memory_info().rss for server in servers) / 1e6, 1),
        "processes": len(me.children(recursive=True)),
        "file descriptors": me.num_fds(),
        "threads": me.num_threads(),
        "files in /tmp": sum(1 for path in Path(tempfile.gettempdir()).glob(f"course-*-{os.getpid()}-*")),
    }


def many(n: int, jobs: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        wanted = write(Path(folder, "in"), n)
        submissions = collect(Path(folder, "in")).submissions
        start = time.monotonic()
        assignment = prepare(LESSON, SOLUTION, choose("auto"))
        print(f"sandbox: {assignment.sandbox.words}")
        print(f"reference and canary {time.monotonic() - start:.1f} s", flush=True)
        journal = Journal(Path(folder, "records.jsonl"))
        states = []
        watch = Watch()
        threading.Thread(target=watch.run, daemon=True).start()
        with Threads(jobs) as engine:
            grade_all(assignment, submissions[:10], journal, engine)  # caches are filled
            time.sleep(1)
            states.append(held())
            start = time.monotonic()

            def finished(record: Record) -> None:
                if len(journal.records) % max(1, n // 5) == 0:
                    print(f"{len(journal.records):4} of {n}, {time.monotonic() - start:.0f} s: {held()}", flush=True)

            records = grade_all(assignment, submissions, journal, engine, finished)
        wall = time.monotonic() - start
        watch.over.set()
        time.sleep(1)
        states.append(held())
        start = time.monotonic()
        write_reports(Path(folder), records)
        print(f"tables and pages {time.monotonic() - start:.1f} s")
    print(f"{n - 10} submissions, {jobs} at a time: {wall:.0f} s")
    print(f"  {wall * jobs / (n - 10):.2f} s a submission and core, by the clock")
    print(f"  {sum(watch.cpu.values()) / n:.2f} s of processor time a submission")
    print(f"  at most {watch.most_processes} processes at a time, load {os.getloadavg()[1]:.1f}")
    by_kind: dict[str, list[float]] = {}
    for record in records:
        by_kind.setdefault(wanted[record.student].kind, []).append(record.seconds)
    for kind, seconds in by_kind.items():
        print(f"  {kind:24} {len(seconds):4}  median {statistics.median(seconds):.1f} s")
    for name in states[0]:
        print(f"  {name:24} before {states[0][name]}, after {states[1][name]}")
    leaks = [name for name in states[0] if name[:2] != "MB" and states[1][name] > states[0][name]]
    return not wrong_marks(records, wanted) and not leaks


def wrong_marks(records: list[Record], wanted: dict[str, Work]) -> list[str]:
    """Students whose outcomes are not the wanted ones; they are printed."""
    found = []
    for record in records:
        got = {row.exercise: row.outcome for row in record.rows}
        if got != wanted[record.student].outcomes:
            found.append(record.student)
            print(f"  {record.student}, {wanted[record.student].kind}: {got}, {record.notes}")
    print(f"  {len(records) - len(found)} of {len(records)} have the wanted outcomes")
    return found


# -------------------------------------------------------------------------------------------------------- killed


@dataclass
class Run:
    """A `course grade` in a process of its own."""

    folder: Path
    out: Path

    def start(self, most_bytes: int | None = None) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "course.cli", "grade", str(LESSON), str(self.folder), "-o", str(self.out)]
        command += ["--jobs", "2", "--seed", "1", *(["--resume"] if self.journal.exists() else [])]

        def limit() -> None:
            if most_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))

        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=limit)

    @property
    def journal(self) -> Path:
        return self.out / "records.jsonl"

    def n_lines(self) -> int:
        return self.journal.read_bytes().count(b"\n") if self.journal.exists() else 0

    def wait_for(self, n: int, driver: subprocess.Popen[str]) -> None:
        while self.n_lines() < n and driver.poll() is None:
            time.sleep(0.02)


def below(driver: int, what: str) -> list[psutil.Process]:
    """The driver's processes of a kind: "fork server", "pytest", "kernel", "sandbox"."""
    found = []
    for process in psutil.Process(driver).children(recursive=True):
        try:
            parent, name = process.parent(), process.name()
            kind = "sandbox" if name == "bwrap" else "fork server" if parent and parent.pid == driver else ""
            if not kind and "forking" in " ".join(process.cmdline()):
                kind = "pytest" if any(child.name() == "bwrap" for child in process.children()) else "kernel"
        except psutil.Error:
            continue
        found += [process] if kind == what else []
    return found


def kill_below(driver: subprocess.Popen[str], what: str) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end and driver.poll() is None:
        for process in below(driver.pid, what):
            try:
                process.kill()
                return True
            except psutil.Error:
                continue
        time.sleep(0.02)
    return False


def killed(n: int) -> bool:
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name, "in"), Path(name, "out")
        wanted = write(folder, n)
        run = Run(folder, out)
        print(f"{n} submissions, 2 at a time; what is killed, and after how many records")

        def driver_after(n_lines: int) -> None:
            driver = run.start()
            run.wait_for(n_lines, driver)
            if n_lines == 0:
                time.sleep(5)  # the canary, or the imports
            os.kill(driver.pid, signal.SIGKILL)
            driver.wait()

        for n_lines in (0, 1, n // 4):
            driver_after(n_lines)
            print(f"  driver                {run.n_lines()}", flush=True)
        driver = run.start()
        for step, what in enumerate(("fork server", "pytest", "kernel", "sandbox", "kernel")):
            run.wait_for(n // 4 + 1 + step, driver)
            done = kill_below(driver, what)
            print(f"  {what:21} {run.n_lines() if done else 'none was there'}", flush=True)
        run.wait_for(3 * n // 4, driver)
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
        print(f"  driver                {run.n_lines()}", flush=True)
        before = run.n_lines()
        driver = run.start(most_bytes=run.journal.stat().st_size + 6000)
        said = (driver.communicate()[0] or "").strip().splitlines()
        print(f"  disk full             {run.n_lines()} (from {before}), exit code {driver.returncode}: {said[-1:]}")
        driver = run.start()
        run.wait_for(n, driver)
        os.kill(driver.pid, signal.SIGKILL)  # while the tables are written
        driver.wait()
        print(f"  driver                {run.n_lines()}, while it writes the tables", flush=True)
        driver = run.start()
        driver.communicate()
        print(f"exit code at the end {driver.returncode}; tables {sorted(path.name for path in out.iterdir())}")
        records = [Record.from_json(line) for line in run.journal.read_bytes().splitlines()]
        lines = Counter(record.student for record in records)
        print(f"  {len(lines)} students, {len(records)} records, {sum(k > 1 for k in lines.values())} doubled")
        code = int(any(work.status != "graded" for work in wanted.values()))
        whole = sorted(lines) == sorted(wanted) and set(lines.values()) == {1} and driver.returncode == code
        bad = wrong_marks(records, wanted)
        time.sleep(2)
        alive = [p.pid for p in psutil.process_iter(["cmdline"]) if str(out) in " ".join(p.info["cmdline"] or [])]
        left = [path for path in Path(tempfile.gettempdir()).glob("course-*-*-*") if not owner_lives(path)]
        print(f"  left over: {len(alive)} processes, {len(left)} folders of dead graders")
        print(json.dumps({"seeds": len({record.seed for record in records}), "students": len(lines)}))
        return whole and not bad and not alive


def owner_lives(path: Path) -> bool:
    pid = path.name.split("-")[2]
    return pid.isdecimal() and psutil.pid_exists(int(pid))


# ---------------------------------------------------------------------------------------------------------- Dask


def dask(n: int) -> bool:
    from distributed import LocalCluster

    from course.grading.dask_engine import RESOURCE, Dask

    slow = {"never ends", "prints for ever", "loops in the function"}
    with tempfile.TemporaryDirectory() as folder:
        wanted = write(Path(folder, "in"), 2 * n)
        chosen = [one for one in collect(Path(folder, "in")).submissions if wanted[one.student].kind not in slow][:n]
        assignment = prepare(LESSON, SOLUTION, choose("auto"))
        seconds, records = {}, {}

        def measure(what: str, engine: Threads | Dask) -> None:
            grade_all(assignment, chosen[:2], Journal(Path(folder, f"{what}-first.jsonl")), engine)  # caches are filled
            start = time.monotonic()
            records[what] = grade_all(assignment, chosen, Journal(Path(folder, f"{what}.jsonl")), engine)
            seconds[what] = time.monotonic() - start

        with Threads(2) as threads:
            measure("two jobs", threads)
        options = {"threads_per_worker": 1, "resources": {RESOURCE: 1}, "dashboard_address": ":0"}
        with (
            LocalCluster(n_workers=2, processes=True, **options) as cluster,
            Dask(cluster.scheduler_address) as workers,
        ):
            start = time.monotonic()
            workers.prepare(assignment, SOLUTION.read_bytes(), LESSON.read_bytes())
            print(f"two workers are tried out in {time.monotonic() - start:.1f} s")
            measure("two workers of Dask", workers)
    for what, time_taken in seconds.items():
        print(f"{what:20} {len(chosen)} submissions in {time_taken:.1f} s, {time_taken / seconds['two jobs']:.2f}")
    one, other = ([record.without_time() for record in records[what]] for what in seconds)
    print(f"  the records are {'the same' if one == other else 'NOT the same'}")
    return one == other and not wrong_marks(records["two jobs"], wanted)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[2:]]
    commands: dict[str, Callable[[], bool]] = {
        "many": lambda: many(*(numbers + [300, 2][len(numbers) :])),
        "killed": lambda: killed(*(numbers or [24])),
        "dask": lambda: dask(*(numbers or [20])),
    }
    if sys.argv[1:2] == [] or sys.argv[1] not in commands:
        raise SystemExit(__doc__)
    raise SystemExit(0 if commands[sys.argv[1]]() else 1)
