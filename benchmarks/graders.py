"""The same submissions graded by `course grade`, nbgrader and otter-grader: does everybody get what he deserves?

    python -m benchmarks.graders               all of it; what is done already is not done again
    python -m benchmarks.graders rows speed    outcomes only, times only
    python -m benchmarks.graders table         writes docs/grading-comparison.md from what is there

The submissions are those of tests/grading/corpus.py, to three exercises of Day 4a. The other two get the lesson as
`course export` writes it: the same checks, run in the learner's kernel, as is their way. Each has a virtual
environment of its own under build/graders/, made on the first run (10 minutes).

What a submission may break is kept in a cage, one a run: its own processes, a read-only system, a copy of the course
folder. Submissions that only a limit of this cage would stop are left out: bombs, endless output.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from course.exercises import find
from course.grading import exchange
from course.grading.reading import Cell
from tests.grading import corpus

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "build" / "graders"
RESULTS = HERE / "results"  # a file a run
PAGE = ROOT / "docs" / "grading-comparison.md"
PACKAGES = {"nbgrader": "nbgrader==0.9.6", "otter": "otter-grader==7.0.0"}
TOOLS = ("ours", "nbgrader", "otter")
VERSIONS = {"ours": "course grade", "nbgrader": "nbgrader 0.9.6", "otter": "otter-grader 7.0.0"}
LESSONS = {"small": "three exercises, no other cells", "whole": "Day 4a, all cells"}
TORCH = "torch>=2.4,<2.14"
CPUACCT = Path("/sys/fs/cgroup/cpuacct")  # control groups of version 1, as root
MAX_SECONDS = 300  # of one run; otter itself has no limit
LIMIT = 8_000_000_000  # bytes of address space in the cage
LESSON = "day4a"
IDS = corpus.EXERCISES

# What the rows are about, in the words of the table. Names are those of the corpus.
ROWS = {
    "honest": [
        "correct", "untouched", "partly right", "prints, warnings, stderr", "builtins shadowed", "%reset -f",
        "stdout closed", "sys.exit",
    ],
    "treated badly": [
        "answer deleted", "cells duplicated", "cells reversed", "answer as markdown", "two answers in one cell",
        "checks edited", "checks deleted", "metadata gone", "format 3", "truncated JSON",
    ],
    "cheats": [
        "check replaced", "allclose patched", "judge patched", "syntax transformer", "always equal",
        "public answers hard-coded", "handed over", "library in a wrapper",
    ],
    "attacks": [
        "network", "overwrites the package", "kills parent and pid 1", "detached child",
        "os._exit", "endless loop in the function",
    ],
}  # fmt: skip
SIZES = {"small": (1, 9), "whole": (1, 9)}  # submissions; the difference says what a further one costs
NEXT = ("cells duplicated", "kills parent and pid 1", "os._exit")  # is the next student graded all the same?
CASES = {case.name: case for case in corpus.CASES}


# ----------------------------------------------------------------------------------------------------- environments


def set_up() -> None:
    """The package as of the last commit, and an environment for each of the others with it installed."""
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True).strip()
    package = HERE / "package"
    stamp = HERE / "commit"
    if not stamp.exists():
        HERE.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(package, ignore_errors=True)
        archive = subprocess.check_output(["git", "archive", "HEAD"], cwd=ROOT)
        with tarfile.open(fileobj=BytesIO(archive)) as tar:
            tar.extractall(package, filter="data")
    for tool, requirement in PACKAGES.items():
        venv = HERE / f"{tool}-venv"
        if not (venv / "bin" / tool).exists():
            shutil.rmtree(venv, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
            pip(venv, TORCH, requirement, f"{package}[lessons]")
        elif not stamp.exists():
            pip(venv, "--no-deps", "--force-reinstall", str(package))
    if not stamp.exists():
        stamp.write_text(commit)


def pip(venv: Path, *arguments: str) -> None:
    subprocess.run([venv / "bin" / "pip", "install", "--quiet", *arguments], check=True)


# --------------------------------------------------------------------------------------------------------- lessons


def marked_answers() -> dict[str, str]:
    """The answers of Day 4a with their marks, by their first line."""
    cells, _ = exchange.read_source(ROOT / "solutions" / "day4a_molecular_graph.py")
    return {cell.source.partition("\n")[0]: cell.source for cell in cells if exchange.BEGIN in cell.source}


def is_wanted(cell: dict[str, Any], number: int) -> bool:
    """Of the small lesson only imports, answers and checks: the fewest cells that the others can be given to run."""
    return cell["cell_type"] == "code" and (number == 0 or cell["metadata"]["course"]["role"] in ("answer", "check"))


def only_wanted(notebook: dict[str, Any]) -> dict[str, Any]:
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return {**notebook, "cells": [cell for number, cell in enumerate(code) if is_wanted(cell, number)]}


def use_small_lesson() -> None:
    """Make the corpus answer the lesson without experiments: its cases are built from these two notebooks."""
    for notebook, folder in ((corpus.SOLUTION, "solutions"), (corpus.BLANK, "lessons")):
        notebook["cells"] = only_wanted(corpus.lesson(folder))["cells"]
    CASES.update({case.name: case for case in [*corpus.edits(), *corpus.honest(), *corpus.cheats(), *corpus.attacks()]})
    good = corpus.as_bytes(corpus.SOLUTION)
    CASES["truncated JSON"] = corpus.Case("truncated JSON", good[: len(good) // 2], status="unreadable")


def small_source() -> list[Cell]:
    """The small lesson with marks."""
    marked = marked_answers()
    sources = ["".join(cell["source"]) for cell in corpus.SOLUTION["cells"]]
    return [Cell("code", marked.get(source.partition("\n")[0], source)) for source in sources]


def make_assignments(name: str, cells: list[Cell]) -> None:
    """The assignment of both tools, by their own commands: a release, a folder to grade in."""
    course, otter = HERE / "nbgrader" / name, HERE / "otter" / name
    if not (course / "release").exists():
        shutil.rmtree(course, ignore_errors=True)
        (course / "source" / LESSON).mkdir(parents=True)
        write(course / "source" / LESSON / "lesson.ipynb", exchange.to_nbgrader(cells))
        (course / "nbgrader_config.py").write_text("c = get_config()\nc.ExecutePreprocessor.timeout = 60\n")
        subprocess.run(["nbgrader", "generate_assignment", LESSON], cwd=course, check=True, env=path_of("nbgrader"))
    if not (otter / "dist" / "autograder").exists():
        shutil.rmtree(otter, ignore_errors=True)
        otter.mkdir(parents=True)
        write(otter / "lesson.ipynb", exchange.to_otter(cells, "lesson"))
        subprocess.run(["otter", "assign", "lesson.ipynb", "dist"], cwd=otter, check=True, env=path_of("otter"))


def path_of(tool: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{HERE / f'{tool}-venv' / 'bin'}:{os.environ['PATH']}"}


def write(path: Path, notebook: dict[str, Any]) -> None:
    path.write_text(json.dumps(notebook), encoding="utf-8")


# ------------------------------------------------------------------------------------------ a submission, for others


def for_nbgrader(notebook: Any, name: str) -> None:
    """The metadata that the released notebook has, wherever ours is still there."""
    release = json.loads((HERE / "nbgrader" / name / "release" / LESSON / "lesson.ipynb").read_text())
    metadata = {first_line(cell): cell["metadata"]["nbgrader"] for cell in released(release, "nbgrader")}
    for cell in cells_of(notebook):
        course = course_of(cell)
        if course.get("role") in ("answer", "check"):
            own = f"# exercise {course['exercise']}" if course["role"] == "answer" else f'check("{course["exercise"]}"'
            found = next(value for key, value in metadata.items() if key.startswith(own))
            cell["metadata"] = {**cell["metadata"], "nbgrader": found}


def for_otter(notebook: Any, name: str) -> None:
    """otter's own check cells in place of ours, and the cell that starts it."""
    release = json.loads((HERE / "otter" / name / "dist" / "student" / "lesson.ipynb").read_text())
    if isinstance(notebook.get("metadata"), dict):
        notebook["metadata"] = {**notebook["metadata"], "otter": release["metadata"]["otter"]}
    for cell in cells_of(notebook):
        key = "input" if "input" in cell else "source"
        found = re.match(r'check\("([\d.]+)"', "".join(cell.get(key) or "") if course_of(cell) else "")
        if found:
            cell[key] = f'grader.check("q{found[1].replace(".", "_")}")'
    cells = notebook["worksheets"][0]["cells"] if "worksheets" in notebook else notebook["cells"]
    cells.insert(0, corpus.code('import otter\ngrader = otter.Notebook("lesson.ipynb")'))


def released(notebook: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if key in cell["metadata"]]


def first_line(cell: dict[str, Any]) -> str:
    return "".join(cell["source"]).partition("\n")[0]


def cells_of(notebook: Any) -> list[dict[str, Any]]:
    cells = notebook["worksheets"][0]["cells"] if "worksheets" in notebook else notebook["cells"]
    return [cell for cell in cells if isinstance(cell, dict)]


def course_of(cell: dict[str, Any]) -> dict[str, Any]:
    metadata = cell.get("metadata")
    return metadata.get("course", {}) if isinstance(metadata, dict) else {}


def translated(data: bytes, change: Callable[[Any, str], None], name: str) -> bytes:
    """The same submission for another tool. What is no notebook stays what it is."""
    cut = data[-1:] != b"}" and data[:1] == b"{"
    try:
        notebook = json.loads(corpus.as_bytes(corpus.SOLUTION) if cut else data)  # UTF-16 is understood
        change(notebook, name)
    except (ValueError, TypeError, AttributeError):
        return data
    made = json.dumps(notebook)
    return made[: len(made) // 2].encode() if cut else made.encode("utf-16" if data[:2] == b"\xff\xfe" else "utf-8")


# ------------------------------------------------------------------------------------------------------------- cage


@dataclass
class Run:
    """What a command came to."""

    code: int | None  # None: it was stopped after MAX_SECONDS
    said: str
    seconds: float
    processor_seconds: float  # of all its processes


def caged(command: list[str | Path], folder: Path, venv: Path) -> Run:
    """Run a command where a submission can hurt nothing but this folder. Its processes end with it."""
    package = folder / "package"
    installed = next(venv.glob("lib/python3*/site-packages")) / "course"
    if not package.exists():
        shutil.copytree(installed, package, ignore=shutil.ignore_patterns("__pycache__"))
    python = Path(sys.base_prefix)
    bwrap = ["bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--new-session"]
    bwrap += ["--cap-drop", "ALL", "--clearenv", "--setenv", "PATH", f"{venv}/bin:/usr/bin:/bin"]
    bwrap += ["--setenv", "HOME", str(folder), "--setenv", "OMP_NUM_THREADS", "1", "--setenv", "LANG", "C.UTF-8"]
    for path in (Path("/usr"), Path("/etc"), Path("/bin"), Path("/lib"), Path("/lib64"), python, venv):
        if path.is_symlink():
            bwrap += ["--symlink", os.readlink(path), str(path)]
        elif path.exists():
            bwrap += ["--ro-bind", str(path), str(path)]
    bwrap += ["--bind", str(package), str(installed), "--bind", str(folder), str(folder), "--proc", "/proc"]
    bwrap += ["--dev", "/dev", "--tmpfs", "/tmp", "--chdir", str(folder)]
    limited = ["prlimit", f"--as={LIMIT}", "--fsize=200000000"]
    return measured([*bwrap, *limited, *map(str, command)], folder)


def measured(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> Run:
    """Run a command. The processor time is that of its control group: nobody waits for the fork server's copies."""
    group = CPUACCT / f"graders-{os.getpid()}"
    group.mkdir(exist_ok=True)
    used, start = int((group / "cpuacct.usage").read_text()), time.monotonic()
    enter = ["sh", "-c", f'echo $$ > {group}/tasks && exec "$@"', "sh"]
    with open(folder / "said.txt", "wb") as file:
        process = subprocess.Popen([*enter, *command], stdout=file, stderr=file, cwd=folder, env=environment)
        try:
            code: int | None = process.wait(timeout=MAX_SECONDS * 5 if environment else MAX_SECONDS)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)  # with bwrap's first process all others end
            process.wait()
            code = None
    used = int((group / "cpuacct.usage").read_text()) - used
    said = (folder / "said.txt").read_text(errors="replace")
    return Run(code, said[-3000:], time.monotonic() - start, used / 1e9)


# ------------------------------------------------------------------------------------------------------ three tools

Points = dict[str, float]  # by exercise; empty: no grade


def by_nbgrader(name: str, submissions: dict[str, bytes], folder: Path) -> tuple[dict[str, Points], Run]:
    """One process for all, as an instructor would start it."""
    shutil.copytree(HERE / "nbgrader" / name, folder)
    for student, data in submissions.items():
        path = folder / "submitted" / student / LESSON / "lesson.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(translated(data, for_nbgrader, name))
    venv = HERE / "nbgrader-venv"
    run = caged([venv / "bin" / "nbgrader", "autograde", LESSON], folder, venv)
    graded: dict[str, Points] = {student: {} for student in submissions}
    if (folder / "gradebook.db").exists():
        with sqlite3.connect(folder / "gradebook.db") as database:
            rows = database.execute(
                "select s.student_id, c.name, g.auto_score from grade g join base_cell c on g.cell_id = c.id "
                "join submitted_notebook n on g.notebook_id = n.id "
                "join submitted_assignment s on n.assignment_id = s.id"
            ).fetchall()
        for student, cell, score in rows:
            if (folder / "autograded" / student).exists() and score is not None:
                graded[student][cell.removeprefix("check-").replace("-", ".")] = score
    return graded, run


def by_otter(name: str, submissions: dict[str, bytes], folder: Path) -> tuple[dict[str, Points], Run]:
    """`otter run`, once a submission; `otter grade` would need a Docker daemon."""
    folder.mkdir()
    zip = next((HERE / "otter" / name / "dist" / "autograder").glob("*.zip"))
    shutil.copy(zip, folder / "autograder.zip")
    venv, graded, runs = HERE / "otter-venv", {}, []
    for student, data in submissions.items():
        (folder / "lesson.ipynb").write_bytes(translated(data, for_otter, name))
        out = folder / student
        out.mkdir()
        command = [venv / "bin" / "otter", "run", "lesson.ipynb", "-a", "autograder.zip", "-o", out]
        runs.append(caged(command, folder, venv))
        file = out / "results.json"
        tests = json.loads(file.read_text())["tests"] if file.exists() else []
        graded[student] = otter_points(tests)
    last = runs[-1]
    times = sum(run.seconds for run in runs), sum(run.processor_seconds for run in runs)
    return graded, Run(last.code, last.said, *times)


def otter_points(tests: list[dict[str, Any]]) -> Points:
    """otter writes a line a question: `q4_5`, with what it got."""
    points: Points = {}
    for test in tests:
        if found := re.match(r"q(\d+)_(\d+)", test["name"]):
            exercise = f"{found[1]}.{found[2]}"
            points[exercise] = points.get(exercise, 0.0) + test.get("score", 0.0)
    return points


def by_us(lesson: Path, submissions: dict[str, bytes], folder: Path) -> tuple[dict[str, dict[str, Any]], Run]:
    """`course grade`, one job, on a folder with all of them; the result is the records."""
    (folder / "submissions").mkdir(parents=True)
    for student, data in submissions.items():
        (folder / "submissions" / f"{student}.ipynb").write_bytes(data)
    environment = {**os.environ, "PYTHONPATH": str(HERE / "package"), "OMP_NUM_THREADS": "1", "SECRET_TOKEN": "x"}
    command = [sys.executable, "-m", "course.cli", "grade", str(lesson), "submissions", "-o", "out"]
    run = measured(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *command], folder, environment)
    journal = folder / "out" / "records.jsonl"
    records = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    return {record["student"]: record for record in records}, run


# ------------------------------------------------------------------------------------------------------------- rows


def names_of_rows() -> list[str]:
    return [name for names in ROWS.values() for name in names]


def data_of(name: str, port: int) -> bytes:
    """A submission; who asks for the network finds a server on this machine that answers."""
    return CASES[name].data.replace(b'127.0.0.1\\", 22', b'127.0.0.1\\", %d' % port)


def outcomes(tool: str) -> None:
    """Grade each row by one tool."""
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept_all, args=(server,), daemon=True).start()
    port = server.getsockname()[1]
    if tool == "ours":
        lesson = HERE / "small" / "lessons" / f"{LESSON}.ipynb"
        for part, notebook in (("lessons", corpus.BLANK), ("solutions", corpus.SOLUTION)):
            (HERE / "small" / part).mkdir(parents=True, exist_ok=True)
            write(HERE / "small" / part / lesson.name, notebook)
        numbered = {f"s{n:02}": name for n, name in enumerate(names_of_rows())}
        if all(result("row", tool, name).exists() for name in numbered.values()):
            return
        records, run = by_us(lesson, {key: data_of(name, port) for key, name in numbered.items()}, work(tool))
        if len(records) != len(numbered):
            raise SystemExit(f"course grade has graded {len(records)} of {len(numbered)}: {run.said}")
        for key, record in records.items():
            points = {row["exercise"]: row["points"] for row in record["rows"]}
            keep("row", tool, numbered[key], {"points": points, "status": record["status"], "code": run.code})
        return
    grade = by_nbgrader if tool == "nbgrader" else by_otter
    for name in names_of_rows():
        if result("row", tool, name).exists():
            continue
        students = {"a": data_of(name, port)}
        if tool == "nbgrader" and name in NEXT:
            students["b"] = corpus.as_bytes(corpus.SOLUTION)
        graded, run = grade("small", students, work(tool))
        row = {"points": graded["a"], "next": graded.get("b"), "code": run.code}
        times = {"seconds": run.seconds, "processor": run.processor_seconds, "said": run.said[-1500:]}
        keep("row", tool, name, row | times)
        print(f"{name:40} {tool:9} {graded} {run.code} {run.seconds:.0f} s", flush=True)


def work(tool: str) -> Path:
    """An empty place for a run."""
    folder = HERE / f"work-{tool}-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def result(kind: str, tool: str, name: str) -> Path:
    return RESULTS / kind / tool / f"{name.replace('/', ' ')}.json"


def keep(kind: str, tool: str, name: str, value: dict[str, Any]) -> None:
    path = result(kind, tool, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".part").write_text(json.dumps(value, indent=1))
    os.replace(path.with_suffix(".part"), path)


def accept_all(server: socket.socket) -> None:
    while True:
        server.accept()


# ------------------------------------------------------------------------------------------------------------ speed


def students(solution: bytes, blank: bytes, n: int) -> dict[str, bytes]:
    """A class: three solutions to one blank."""
    return {f"s{number:02}": blank if number % 4 == 3 else solution for number in range(n)}


def speed(name: str, lesson: Path, solution: Path, sizes: tuple[int, int]) -> None:
    """A small class and a larger one; the difference is what a further submission costs. The tools take turns."""
    good, blank = (without_outputs(path) for path in (solution, lesson))
    for size in sizes:
        for tool in TOOLS:
            is_once_a_submission = tool == "otter" and size > min(sizes)
            if is_once_a_submission or result("speed", tool, f"{name} {size}").exists():
                continue
            graded: dict[str, Any]
            if tool == "ours":
                graded, run = by_us(lesson, students(good, blank, size), work(tool))
                points = [sum(row["points"] for row in record["rows"]) for record in graded.values()]
            else:
                grade = by_nbgrader if tool == "nbgrader" else by_otter
                graded, run = grade(name, students(good, blank, size), work(tool))
                points = [sum(one.values()) for one in graded.values()]
            times = {"seconds": run.seconds, "processor": run.processor_seconds, "points": points}
            keep("speed", tool, f"{name} {size}", times)
            print(f"{name}, {size} submissions, {tool}: {times}", flush=True)


def without_outputs(path: Path) -> bytes:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return corpus.as_bytes(notebook)


# ------------------------------------------------------------------------------------------------------------ table


def wanted_points(name: str) -> dict[str, float]:
    """What each exercise deserves; nothing for a file that must be refused."""
    case = CASES[name]
    if case.status == "unreadable":
        return {}
    return {id: float(find(id).points) if case.outcomes.get(id, "correct") == "correct" else 0.0 for id in IDS}


def as_text(points: dict[str, float]) -> str:
    return "/".join(f"{points.get(id, 0.0):g}" for id in IDS)


def verdict(name: str, result: dict[str, Any]) -> tuple[bool, str]:
    """Whether a tool gave what was wanted, and what it gave."""
    points, wanted = result["points"], wanted_points(name)
    if result["code"] is None:
        return False, "does not end, stopped by us"
    if not wanted:
        refused = result.get("status") == "unreadable" or (not points and result["code"] != 0)
        return refused, "refused" if refused else as_text(points)
    next_one = "; the next student none" if result.get("next") == {} else ""
    got = (as_text(points) if points else "no grade") + next_one
    return bool(points) and as_text(points) == as_text(wanted) and not next_one, got


def table_of_rows() -> str:
    """Who gave what, a line a submission."""
    lines = ["| submission | deserves | course grade | nbgrader | otter-grader |", "|:--|:--|:--|:--|:--|"]
    right, seen = dict.fromkeys(TOOLS, 0), dict.fromkeys(TOOLS, 0)
    for kind, names in ROWS.items():
        lines.append(f"| **{kind}** | | | | |")
        for name in names:
            cells = [name, as_text(wanted_points(name)) if wanted_points(name) else "refused"]
            for tool in TOOLS:
                if not result("row", tool, name).exists():
                    cells.append("not run")
                    continue
                good, got = verdict(name, json.loads(result("row", tool, name).read_text()))
                cells.append("✓" if good else f"✗ {got}")
                right[tool] += good
                seen[tool] += 1
            lines.append(f"| {' | '.join(cells)} |")
    counts = [f"**{right[tool]} of {seen[tool]}**" for tool in TOOLS]
    lines.append(f"| **as deserved** | | {' | '.join(counts)} |")
    return "\n".join(lines)


def table_of_times() -> str:
    """Processor and wall time of the first and of a further submission."""
    lines = ["| lesson | grader | first, processor s | each further, processor s | wall s | against course grade |"]
    lines.append("|:--|:--|--:|--:|--:|--:|")
    for name, sizes in SIZES.items():
        ours = 0.0
        for tool in TOOLS:
            few, many = (result("speed", tool, f"{name} {size}") for size in sizes)
            if not few.exists() or (tool != "otter" and not many.exists()):
                continue
            first = json.loads(few.read_text())
            further = {what: first[what] for what in ("processor", "seconds")}
            if many.exists():
                more = json.loads(many.read_text())
                further = {what: (more[what] - first[what]) / (sizes[1] - sizes[0]) for what in further}
            ours = ours or further["processor"]
            times = [f"{value:.1f}" for value in (first["processor"], further["processor"], further["seconds"])]
            ratio = f"{further['processor'] / ours:.1f}"
            lines.append(f"| {' | '.join([LESSONS[name], VERSIONS[tool], *times, ratio])} |")
    return "\n".join(lines)


def write_tables() -> None:
    """Put the tables into the page, between its marks; the words around them are written by hand."""
    text = PAGE.read_text(encoding="utf-8")
    for what, table in (("outcomes", table_of_rows()), ("times", table_of_times())):
        before, rest = text.split(f"<!-- {what} -->\n")
        after = rest.split("<!-- end -->\n", 1)[1]
        text = f"{before}<!-- {what} -->\n\n{table}\n\n<!-- end -->\n{after}"
    PAGE.write_text(text, encoding="utf-8")


def main(what: list[str]) -> None:
    set_up()
    use_small_lesson()
    make_assignments("small", small_source())
    for tool in TOOLS:
        if "rows" in what or tool in what:
            outcomes(tool)
    if "speed" in what:
        small = HERE / "small"
        speed("small", *(small / part / f"{LESSON}.ipynb" for part in ("lessons", "solutions")), SIZES["small"])
        name = "day4a_molecular_graph"
        package = HERE / "package"
        cells, _ = exchange.read_source(package / "solutions" / f"{name}.py")
        make_assignments("whole", cells)
        speed("whole", *(package / part / f"{name}.ipynb" for part in ("lessons", "solutions")), SIZES["whole"])
    if "table" in what:
        write_tables()


if __name__ == "__main__":
    main(sys.argv[1:] or ["rows", "speed", "table"])
