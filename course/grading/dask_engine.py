"""Grade on workers of Dask, on this machine or on many.

A worker that has died is replaced, or is not: what it had at hand is given to another one. The journal stays with the
driver, so a submission counts once, whoever has graded it. The workers belong to the instructor: what a learner wrote
runs in a sandboxed kernel below them, which has no network and so cannot speak to the scheduler.

    dask scheduler
    dask worker SCHEDULER --nworkers 4 --nthreads 1 --resources "kernel=1"      on each machine: a worker a core
    course grade LESSON SUBMISSIONS -o OUT --dask SCHEDULER
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import distributed
from distributed.client import Future, wait

import course
from course.grading.grader import PACKAGES, Assignment, canary, failed, grade
from course.grading.running import Infrastructure, remove_of_the_dead
from course.grading.sandbox import choose
from course.grading.submission import Record, Submission

COMPARED = (*PACKAGES, "python", "dask", "distributed", "cloudpickle")
RESOURCE = "kernel"  # a worker has so many slots; each grades one submission at a time
HOW = f'dask worker ADDRESS --nworkers CORES --nthreads 1 --resources "{RESOURCE}=1"'
CONNECT_SECONDS = 10.0
LOST_SECONDS = 300.0  # without any worker, until the run is given up
LOOK_EVERY = 2.0  # seconds between looks at the workers
RETRIES = 2  # where the code around the grading fails; dead workers are counted by Dask


def hash_of_code() -> str:
    """Of the source of this package: two checkouts have the same version, and may still judge differently."""
    folder = Path(course.__file__).parent
    hash = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        hash.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return hash.hexdigest()


CODE = hash_of_code()  # now: a worker that was started before an update still runs the old code


class Prepared(distributed.WorkerPlugin):
    """What a worker needs for all submissions of a run. Dask hands it to every worker, also to those that come late."""

    def __init__(self, assignment: Assignment, solution: bytes, blank: bytes):
        self.assignment, self.solution, self.blank = assignment, solution, blank
        self.words = assignment.sandbox.words
        self.code = CODE

    def setup(self, worker: distributed.Worker) -> None:
        self.lock = threading.Lock()
        self.is_tried = False

    def try_out(self) -> None:
        """Once a worker, before its first submission: the canary. Raises Infrastructure."""
        with self.lock:
            if self.is_tried:
                return
            remove_of_the_dead(self.assignment.sandbox)  # of the worker that was here before
            if self.code != CODE:
                raise Infrastructure(f"its package {Path(course.__file__).parent} is not the driver's: restart it")
            here = choose(self.assignment.sandbox.kind)
            if here != self.assignment.sandbox or here.words != self.words:
                raise Infrastructure(f"its sandbox is not the driver's, but {here.words}")
            canary(self.assignment, self.solution, self.blank)
            self.is_tried = True


def _grade(run: str, submission: Submission) -> Record:
    """On a worker."""
    prepared = _prepared(run)
    prepared.try_out()
    return grade(prepared.assignment, submission)


def _try_out(run: str) -> None:
    """On a worker."""
    _prepared(run).try_out()


def _prepared(run: str) -> Prepared:
    plugin = distributed.get_worker().plugins[run]
    assert isinstance(plugin, Prepared)
    return plugin


class Dask:
    """The workers behind an address, as an engine for `grade_all`. Raises Infrastructure where they are of no use."""

    def __init__(self, address: str):
        self.address = address
        self.run = ""  # names what the workers hold
        self.times: Counter[str] = Counter()
        self.submissions: dict[Future, tuple[Assignment, Submission]] = {}
        try:
            self.client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise Infrastructure(f"No Dask scheduler answers at {address}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            if self.run:
                self.client.unregister_worker_plugin(self.run)
        self.client.close()

    def workers(self) -> dict[str, int]:
        """The addresses of the workers, and how many slots each has. Raises Infrastructure."""
        try:
            info = self.client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, RuntimeError, ValueError) as error:
            raise self._gone() from error
        return {address: int(worker["resources"].get(RESOURCE, 0)) for address, worker in info.items()}

    def slots(self) -> int:
        return max(1, sum(self.workers().values()))

    def prepare(self, assignment: Assignment, solution: bytes, blank: bytes) -> None:
        """Hand out what all submissions need, and try out each worker. Raises Infrastructure."""
        if assignment.sandbox.kind == "none":
            raise Infrastructure("--dask needs a sandbox: without one a learner's code could command all workers.")
        try:
            self.client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise Infrastructure(f"{self.address} has no workers. Start them with: {HOW}") from error
        if bare := [address for address, slots in self.workers().items() if not slots]:
            raise Infrastructure(f"Workers without a slot for a kernel: {', '.join(bare)}. Start them with: {HOW}")
        found: Any = self.client.get_versions(packages=COMPARED)
        here = {name: found["client"]["packages"][name] for name in COMPARED}
        for address, there in found["workers"].items():
            if other := differences(here, there["packages"]):
                raise Infrastructure(f"Worker {address} has other versions than this machine: {other}.")
        self.run = name_of(assignment)
        try:
            self.client.register_plugin(Prepared(assignment, solution, blank), name=self.run)
        except Exception as error:  # as on the worker, where it cannot be read
            raise Infrastructure(f"A worker cannot take the assignment, is its package another? {error!r}") from error
        tried = {
            self.client.submit(
                _try_out,
                self.run,
                key=f"canary-{self.run}-{address}",
                workers=[address],
                resources={RESOURCE: 1},
                pure=False,
            ): address
            for address in self.workers()
        }
        while tried:
            for future in self._wait(tried):
                address = tried.pop(future)
                if why := future.exception():
                    raise Infrastructure(f"Worker {address}: {why}")
            for future in [one for one, address in tried.items() if address not in self.workers()]:
                tried.pop(future)  # whoever comes in its place tries itself out

    def start(self, assignment: Assignment, submission: Submission) -> Future:
        key = submission.key(assignment.hash, assignment.seed)
        self.times[key] += 1
        name = hashlib.sha256(f"{self.run} {key} {self.times[key]}".encode()).hexdigest()
        future = self.client.submit(
            _grade, self.run, submission, key=f"grade-{name}", resources={RESOURCE: 1}, retries=RETRIES, pure=False
        )
        self.submissions[future] = assignment, submission
        return future

    def finished(self, running: Collection[Future]) -> Iterator[tuple[Future, Record]]:
        seen = time.monotonic()
        while not (done := self._wait(running)):
            if any(self.workers().values()):
                seen = time.monotonic()
            elif time.monotonic() - seen > LOST_SECONDS:
                raise Infrastructure(f"{self.address} has had no worker for {LOST_SECONDS:g} s: go on with --resume.")
        for future in done:
            assignment, submission = self.submissions.pop(future)
            error = future.exception()
            yield future, failed(assignment, submission, f"Dask: {error}") if error else future.result()

    def _wait(self, futures: Collection[Future]) -> Collection[Future]:
        """Those that are ready, after some seconds maybe none. Raises Infrastructure where the scheduler is gone."""
        try:
            with self.client.as_current():
                return wait(list(futures), timeout=LOOK_EVERY, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            return []
        except distributed.CancelledError as error:
            raise self._gone() from error

    def _gone(self) -> Infrastructure:
        return Infrastructure(f"The scheduler at {self.address} is gone: go on with --resume.")


def name_of(assignment: Assignment) -> str:
    """The same for two drivers that would come to the same records. The seed is in it, and cannot be seen."""
    parts = [assignment.hash, assignment.seed, assignment.sandbox.words, asdict(assignment.limits)]
    return f"course-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]}"


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    """Packages of two machines that differ, in words."""
    names = sorted(name for name in here if here[name] != there.get(name))
    return ", ".join(f"{name} {there.get(name) or 'missing'}, not {here[name]}" for name in names)
