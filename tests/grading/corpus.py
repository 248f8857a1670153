"""Notebooks that a grader must not be impressed by, each with the wanted outcome.

All of them answer the same small lesson, three exercises of Day 4a: 4.2, 4.4 and 4.5. Where nothing else is said every
answer is right and must get its points. Code that tries something forbidden gives a right answer to 4.5 only when it
was stopped, so a wanted "correct" says that it was.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course.exercises import find

ROOT = Path(__file__).parents[2]
EXERCISES = ("4.2", "4.4", "4.5")
Json = dict[str, Any]


def lesson(folder: str) -> Json:
    """The small lesson ("lessons"), or its solution ("solutions")."""
    notebook: Json = json.loads((ROOT / folder / "day4a_molecular_graph.ipynb").read_text(encoding="utf-8"))
    cells = []
    for cell in notebook["cells"]:
        course = cell["metadata"].get("course", {})
        wanted = course.get("exercise") in (None, *EXERCISES) and set(course.get("needs", [])) <= set(EXERCISES)
        if cell["cell_type"] == "markdown" or wanted:
            cells.append({**cell, "outputs": [], "execution_count": None} if cell["cell_type"] == "code" else cell)
    return {**notebook, "cells": cells}


SOLUTION = lesson("solutions")
BLANK = lesson("lessons")


@dataclass(frozen=True)
class Case:
    """A submission, and what must be in its record."""

    name: str
    data: bytes
    outcomes: dict[str, str] = field(default_factory=dict)  # not "correct"; "*": any other, "?": any
    status: str = "graded"
    note: str = ""  # a word that must be among the notes and messages
    fast: bool = False  # part of the quick run


# ------------------------------------------------------------------------------------------------ change a notebook


def cell_of(notebook: Json, exercise: str, role: str = "answer") -> Json:
    wanted = {"exercise": exercise, "role": role}
    found = (cell for cell in notebook["cells"] if wanted.items() <= cell["metadata"].get("course", {}).items())
    return next(found)


def code(source: str, **more: Any) -> Json:
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None, **more}


def as_bytes(notebook: Json) -> bytes:
    return json.dumps(notebook).encode()


def changed(change: Callable[[Json], Any], base: Json = SOLUTION) -> bytes:
    notebook = copy.deepcopy(base)
    change(notebook)
    return as_bytes(notebook)


def with_answer(exercise: str, source: str, base: Json = SOLUTION) -> bytes:
    return changed(lambda nb: cell_of(nb, exercise).update(source=f"# exercise {exercise}\n{source}"), base)


RIGHT = """
def accumulate(messages, receivers, n_atoms):
    M = torch.zeros(n_atoms, messages.shape[1], dtype=messages.dtype)
    return M.index_add(0, receivers, messages)
"""
WRONG = """
def accumulate(messages, receivers, n_atoms):
    return torch.ones(n_atoms, messages.shape[1])
"""


def around(before: str, answer: str = RIGHT, after: str = "") -> bytes:
    """An answer to 4.5 with other code around it."""
    return with_answer("4.5", f"{before}\n{answer}\n{after}")


def only_if(stopped: str) -> bytes:
    """An answer to 4.5 that is right if this code leaves `stopped` true."""
    return around(
        f"stopped = False\n{stopped}", RIGHT.replace("    return M", "    return 0 * M if not stopped else M")
    )


def body(statement: str) -> bytes:
    """An answer to 4.5 with a statement in the function."""
    return with_answer("4.5", RIGHT.replace("    M = ", f"    {statement}\n    M = ", 1))


def first(before: str, data: bytes | None = None) -> bytes:
    """The answer to 4.2, the first exercise, with code before it; the others are what `data` says."""
    notebook: Json = json.loads(data or as_bytes(SOLUTION))
    answer = cell_of(notebook, "4.2")
    answer["source"] = f"# exercise 4.2\n{before}\n" + "".join(answer["source"])
    return as_bytes(notebook)


# ------------------------------------------------------------------------------------------------------- the cases


def edits() -> list[Case]:
    """Honest notebooks, treated badly."""

    def cells(change: Callable[[list[Any]], Any]) -> bytes:
        return changed(lambda nb: change(nb["cells"]))

    def each(**values: Any) -> bytes:
        return changed(lambda nb: [cell.update(values) for cell in nb["cells"]])

    def without_anchors(nb: Json) -> None:
        for cell in nb["cells"]:
            cell["source"] = "\n".join(
                line for line in "".join(cell["source"]).splitlines() if not line.startswith("# exercise")
            )

    def without_both(nb: Json) -> None:
        without_anchors(nb)
        for cell in nb["cells"]:
            cell["metadata"] = {}

    def stripped(nb: Json) -> None:
        without_anchors(nb)
        for cell in nb["cells"]:
            cell["metadata"] = {}
            cell.pop("id", None)

    def split(nb: Json) -> None:
        answer = cell_of(nb, "4.4")
        lines = "".join(answer["source"]).splitlines()
        second = next(n for n, line in enumerate(lines) if line.startswith("def outer_message"))
        nb["cells"].insert(nb["cells"].index(answer) + 1, code("\n".join(lines[second:])))
        answer["source"] = "\n".join(lines[:second])

    def joined(nb: Json) -> None:
        first, second = cell_of(nb, "4.4"), cell_of(nb, "4.5")
        first["source"] = "".join(first["source"]) + "\n" + "".join(second["source"])
        nb["cells"].remove(second)

    def helper_in_the_imports(nb: Json) -> None:
        cell = next(c for c in nb["cells"] if c["cell_type"] == "code")
        cell["source"] = "import numpy as np\n" + "".join(cell["source"])
        cell_of(nb, "4.5")["source"] = (
            "# exercise 4.5\ndef accumulate(messages, receivers, n_atoms):\n"
            "    M = np.zeros((n_atoms, messages.shape[1]))\n    np.add.at(M, receivers.numpy(), messages.numpy())\n"
            "    return torch.as_tensor(M)"
        )

    def helper_cell(nb: Json) -> None:
        answer = cell_of(nb, "4.5")
        nb["cells"].insert(nb["cells"].index(answer), code("def add_up(M, i, m):\n    return M.index_add(0, i, m)"))
        answer["source"] = RIGHT.replace("M.index_add(0, receivers, messages)", "add_up(M, receivers, messages)")

    def in_a_new_cell(nb: Json) -> None:
        cell_of(nb, "4.5")["source"] = cell_of(BLANK, "4.5")["source"]
        nb["cells"].append(code(RIGHT))

    def copied_below_the_stub(nb: Json) -> None:
        answer = cell_of(nb, "4.5")
        nb["cells"].insert(
            nb["cells"].index(answer), {**copy.deepcopy(answer), "source": cell_of(BLANK, "4.5")["source"]}
        )

    def prose(nb: Json) -> None:
        cell_of(nb, "4.5")["cell_type"] = "markdown"

    def format_3(nb: Json) -> None:
        sheet = []
        for cell in nb.pop("cells"):
            source = cell.pop("source")
            sheet.append({**cell, ("input" if cell["cell_type"] == "code" else "source"): source})
        nb.update(nbformat=3, nbformat_minor=0, worksheets=[{"cells": sheet}])

    def no_checks(nb: Json) -> None:
        nb["cells"] = [c for c in nb["cells"] if c["metadata"].get("course", {}).get("role") != "check"]

    def outputs(nb: Json) -> None:
        html = "<script>alert(1)</script><img src=x onerror=alert(1)>"
        data = {"text/html": html, "application/vnd.course.evidence+json": "{}"}
        for cell in nb["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"] = [{"output_type": "display_data", "data": data, "metadata": {}}]

    one = {"4.5": "not attempted"}
    skip = "# NBVAL_SKIP\n# NBVAL_RAISES_EXCEPTION"
    text = json.dumps(SOLUTION)
    return [
        Case("correct", as_bytes(SOLUTION), fast=True),
        Case("untouched", as_bytes(BLANK), dict.fromkeys(EXERCISES, "not attempted"), fast=True),
        Case("partly right", with_answer("4.5", WRONG), {"4.5": "wrong"}, fast=True),
        Case("answer deleted", changed(lambda nb: nb["cells"].remove(cell_of(nb, "4.5"))), one, note="no cell for 4.5"),
        Case("cells duplicated", cells(lambda cs: cs.extend(copy.deepcopy(cs))), fast=True),
        Case("one answer copied", changed(lambda nb: nb["cells"].append(copy.deepcopy(cell_of(nb, "4.5"))))),
        Case("answer above its stub", changed(copied_below_the_stub), note="cells for 4.5"),
        Case("cells reversed", cells(lambda cs: cs.reverse()), fast=True),
        Case("answer as markdown", changed(prose), note="not code", fast=True),
        Case("answer split in two", changed(split)),
        Case("two answers in one cell", changed(joined), fast=True),
        Case("answer in a new cell", changed(in_a_new_cell), note="by the name of its function"),
        Case("helper cell", changed(helper_cell)),
        Case("helper among the imports", changed(helper_in_the_imports), fast=True),
        Case("checks edited", changed(lambda nb: cell_of(nb, "4.5", "check").update(source="print('passed')")),
             note="edited"),
        Case("checks edited, answer wrong", changed(
            lambda nb: (cell_of(nb, "4.5", "check").update(source="check = print"),
                        cell_of(nb, "4.5").update(source=WRONG))), {"4.5": "wrong"}),
        Case("checks deleted", changed(no_checks), note="deleted"),
        Case("comments gone", changed(without_anchors), note="metadata"),
        Case("metadata gone", each(metadata={}), fast=True),
        Case("comments and metadata gone", changed(without_both), note="id of its cell"),
        Case("everything gone but the functions", changed(stripped), note="name of its function", fast=True),
        Case("ids all the same", each(id="aaaa")),
        Case("tags not a list", each(metadata={"tags": 5})),
        Case("kernelspec changed", changed(lambda nb: nb["metadata"].update(kernelspec={"name": "julia-1.9"}))),
        Case("kernelspec missing", changed(lambda nb: nb.update(metadata={}))),
        Case("format 3", changed(format_3)),
        Case("format 5", changed(lambda nb: nb.update(nbformat=5)), note="format is 5"),
        Case("format absent", changed(lambda nb: nb.pop("nbformat")), note="not named"),
        Case("metadata a list", changed(lambda nb: nb.update(metadata=[1])), note="metadata"),
        Case("source a list of ints", changed(lambda nb: cell_of(nb, "4.5").update(source=[1, 2])), one, note="source"),
        Case("source null", changed(lambda nb: cell_of(nb, "4.5").update(source=None)), one),
        Case("cells that are none", cells(lambda cs: cs.extend([None, 7, "x", []])), note="not a cell"),
        Case("BOM", b"\xef\xbb\xbf" + as_bytes(SOLUTION)),
        Case("UTF-16", text.encode("utf-16"), note="utf-16"),
        Case("CRLF", text.replace("\\n", "\\r\\n").encode()),
        Case("script tags and forged evidence in saved outputs", changed(outputs)),
        Case("marks of nbval", with_answer("4.5", skip + RIGHT)),
        Case("2000 more cells", cells(lambda cs: cs.extend(code(f"z{n} = {n}") for n in range(2000))), note="added"),
        Case("odd characters", around("Ω = '\u202e\u2066 \U0001f9ea'\nπ = 3")),
    ]  # fmt: skip


def unreadable() -> list[Case]:
    good = as_bytes(SOLUTION)
    none = dict.fromkeys(EXERCISES, "not graded")
    files = {
        "truncated JSON": good[: len(good) // 2],
        "empty file": b"",
        "binary file": bytes(range(256)) * 20,
        "deep JSON": b"[" * 200_000,
        "a list": b"[1, 2]",
        "cells null": b'{"nbformat": 4, "cells": null}',
        "nested zip": b"PK\x03\x04" + good,
        "a pickle": b"\x80\x04\x95\x1f\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix",
        "30 MB": b" " * 30_000_000,
        "the notebook of another lesson": (ROOT / "solutions/day2_coulomb_vector.ipynb").read_bytes(),
        "number of a million digits": b'{"nbformat": ' + b"9" * 1_000_000 + b"}",
    }
    return [Case(name, data, none, "unreadable", fast=True) for name, data in files.items()]


def honest() -> list[Case]:
    """Right answers that make noise or have odd habits."""
    noise = 'print("x" * 1000); import sys, warnings; warnings.warn("careful"); sys.stderr.write("oh\\n")'
    tqdm = "import tqdm; [None for _ in tqdm.tqdm(range(3))]"
    shadow = "emit = sum = 5; print = None; np = None; course = 1; find = json = Exercise = len = list = 'mine'"
    thread = "import threading, time\ndef spam():\n    while True: print('spam' * 10); time.sleep(0.001)\n"
    return [
        Case("prints, warnings, stderr", body(noise), fast=True),
        Case("progress bar", body(tqdm)),
        Case("single precision", around("", RIGHT.replace("receivers, messages)", "receivers, messages).float()"))),
        Case("noise of 1e-7", around("", RIGHT.replace("receivers, messages)", "receivers, messages) * (1 + 1e-7)"))),
        Case("default dtype changed", around("torch.set_default_dtype(torch.float32)")),
        Case("names shadowed", around(shadow), fast=True),
        Case("builtins shadowed", around("import builtins; builtins.print = None; builtins.sum = 3"), fast=True),
        Case("print and display replaced", around(
            "import sys, builtins; sys.displayhook = print = lambda *a: None\n"
            "get_ipython().display_pub.publish = lambda *a, **k: None")),
        Case("%reset -f", changed(lambda nb: nb["cells"].insert(
            nb["cells"].index(cell_of(nb, "4.5")), code("%reset -f\nimport torch"))), fast=True),
        Case("%reset -f in an answer", around("get_ipython().run_line_magic('reset', '-f'); import torch")),
        Case("stdout closed", around("import os, sys; sys.stdout.close(); os.close(1)"), fast=True),
        Case("thread prints for ever", around(thread + "threading.Thread(target=spam, daemon=True).start()")),
        Case("thread prints without a pause", around(
            thread.replace("; time.sleep(0.001)", "") + "threading.Thread(target=spam, daemon=True).start()")),
        Case("atexit sleeper", around("import atexit, time; atexit.register(time.sleep, 1000)")),
        Case("exception after a right answer", around("", RIGHT, "1 / 0")),
        Case("slow import", around("import time; time.sleep(3)")),
        Case("sys.exit", around("", RIGHT, "import sys; sys.exit(1)"), fast=True),
        Case("exit()", around("", RIGHT, "exit()")),
        Case("signals blocked", around(
            "import signal; [signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)]")),
        Case("pip install", around("", "!pip install requests\n" + RIGHT)),
        Case("random state", around("import random; random.seed(0); torch.manual_seed(0); import numpy as np; "
                                    "np.random.seed(0)")),
    ]  # fmt: skip


def with_a_cell(source: str, base: Json) -> bytes:
    return changed(lambda nb: nb["cells"].insert(1, code(source)), base)


def cheats() -> list[Case]:
    """None of them may gain a point."""
    wrong = {"4.5": "wrong"}
    record = (
        "from math import *\nimport course.exercises.exercise as x\nold = x._record\n"
        "x._record = lambda n, r, f, c, call: old(n, r, r, c, call)"
    )
    probe = (
        "from math import *\nimport course.grading.evidence as e\nfor x in e._exercises.values():\n"
        "    object.__setattr__(x, 'probe', lambda f, rng, x=x, old=x.probe: old(x.reference, rng))"
    )
    shape = (
        "import course.grading.evidence as e\nplain = e._dumps\n"
        "bad = {'result': {'parts': [{'shape': [2 * 10**7, 0], 'kind': 'int', 'values': []}]}, 'changed': [], "
        "'printed': ''}\n"
        "e._dumps = lambda p: plain(p | {'evidence': [[r | bad for r in one] for one in p['evidence']]})"
    )
    frames = (
        "import zmq\ns = get_ipython().kernel.iopub_thread.socket\nb = bytes(8_000_000)\ns.send(b'x', zmq.SNDMORE)\n"
        "for _ in range(400): s.send(b, zmq.SNDMORE, copy=False)\ns.send(b'end')"
    )
    equal = (
        "class Yes:\n    __eq__ = __lt__ = __le__ = __call__ = lambda *a, **k: True\n"
        "    __hash__ = None\n    shape = (2, 2)\n    def __getattr__(self, name): return self\n"
        "def accumulate(*a): return Yes()"
    )
    floats = (
        "class Yes(float):\n    __eq__ = lambda s, o: True\n    __sub__ = __rsub__ = lambda s, o: 0.0\n"
        "def accumulate(m, r, n): return [[Yes(0)] * m.shape[1]] * n"
    )
    transform = (
        "import ast\nclass Drop(ast.NodeTransformer):\n    def visit_Call(self, node):\n"
        "        return ast.copy_location(ast.Constant(None), node)\n"
        "get_ipython().ast_transformers.append(Drop())"
    )
    lines = "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'])"
    forge = (
        "import json, __main__\nkernel = get_ipython().kernel\n"
        "def send(kind, content): kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())\n"
        "def accumulate(m, r, n):\n"
        "    payload = json.dumps({'exercise': '4.5', 'state': 'evidence', 'evidence': [[], []], 'points': 10})\n"
        "    mime = 'application/vnd.course.evidence+json'\n"
        "    send('display_data', {'data': {mime: payload}, 'metadata': {}})\n"
        "    send('status', {'execution_state': 'idle'})\n"
        "    return torch.zeros(n, m.shape[1])"
    )
    hard = (
        "def accumulate(m, r, n):\n"
        "    known = {2: [[0.0, 0], [1, 2]], 3: [[4.0], [3], [0]], 1: [[3.0, 1]]}\n"
        "    return torch.tensor(known.get(n, [[0.0]]))"
    )
    rng = (
        "import numpy as np\nclass Same:\n    def __getattr__(self, name):\n"
        "        return lambda *a, size=3, **k: np.ones(size, dtype=int)\n"
        "np.random.default_rng = lambda *a: Same()\n" + WRONG
    )
    module = "import course.grading.evidence as e, json\n"
    library = "from course.models.message_passing import accumulate as mine\ndef accumulate(*a): return mine(*a)"
    return [
        Case("check replaced", around("check = lambda *a: None\nimport course.exercises as e; e.check = check", WRONG),
             wrong, fast=True),
        Case("allclose patched", around(
            "import numpy as np\nfor m in (np, torch):\n    m.allclose = m.isclose = m.equal = lambda *a, **k: True\n"
            "np.testing.assert_allclose = lambda *a, **k: None", WRONG), wrong, fast=True),
        Case("comparison of the exercises patched", around(
            "import course.exercises.evidence as e, course.exercises.exercise as x\n"
            "e.agree = x.agree = lambda *a: True", WRONG), wrong),
        Case("judge patched", around(
            "from course.exercises.exercise import Exercise, Outcome\n"
            "Exercise.examine = Exercise.judge = lambda s, *a: Outcome(s.id, 'correct', '')", WRONG), wrong),
        Case("print and display replaced, answer wrong", around(
            "import sys; sys.displayhook = lambda *a: 'correct'; print = lambda *a: None", WRONG), wrong),
        Case("library changed, nothing written", with_a_cell(record, BLANK),
             dict.fromkeys(EXERCISES, "wrong"), fast=True),
        Case("probes changed", with_a_cell(probe, BLANK), dict.fromkeys(EXERCISES, "wrong")),
        Case("an impossible shape", around(shape, WRONG), wrong, fast=True),
        Case("a message of 3 GB", around(frames), {"4.5": "?"}, status="crashed"),
        Case("syntax transformer", around(transform, WRONG), wrong, fast=True),
        Case("input transformer", around(lines, WRONG), wrong),
        Case("always equal", with_answer("4.5", equal), wrong, fast=True),
        Case("float subclass", with_answer("4.5", floats), wrong),
        Case("forged messages", with_answer("4.5", forge), wrong, note="cannot be read", fast=True),
        Case("forged publisher", with_answer("4.5", module + "e.publish = lambda *a: print('yes')\n" + WRONG), wrong),
        Case("forged JSON", with_answer("4.5", module + "e._dumps = lambda *a: '{\"exercise\": \"4.5\"}'\n" + WRONG),
             dict.fromkeys(["4.5"], "wrong")),
        Case("deep forged JSON", with_answer("4.5", module + "e._dumps = lambda *a: '[' * 100000\n" + WRONG), wrong),
        Case("public answers hard-coded", with_answer("4.5", hard), wrong, fast=True),
        Case("random generator patched", with_answer("4.5", rng), wrong, fast=True),
        Case("handed over", with_answer("4.5", 'accumulate = stuck("4.5")'), {"4.5": "handed over"}, fast=True),
        Case("imported", with_answer("4.5", "from course.models.message_passing import accumulate"),
             {"4.5": "handed over"}, note="learner's own"),
        # it cannot be told from an own answer: a person is asked to look
        Case("library in a wrapper", with_answer("4.5", library), {}, note="learner's own"),
        Case("always right by chance", with_answer("4.5", "import random\n" + RIGHT.replace(
            "    return M", "    if random.random() < 0.3: return None\n    return M")), wrong),
        Case("not a function", with_answer("4.5", "accumulate = 5"), wrong, note="int"),
        Case("syntax error", with_answer("4.5", "def accumulate(m, r, n:\n    return"), wrong, note="SyntaxError"),
        Case("a very deep expression", with_answer("4.5", "x = " + "-" * 50_000 + "1\n" + RIGHT), wrong),
        Case("very many brackets", with_answer("4.5", "x = " + "(" * 5000 + ")" * 5000 + RIGHT), wrong),
        Case("a huge integer", with_answer("4.5", "def accumulate(*a): return 10 ** 5_000_000"), {"4.5": "*"}, "*"),
        Case("a huge list", with_answer("4.5", "def accumulate(*a): return [0.0] * 10 ** 7"), wrong),
        Case("a huge tensor", with_answer("4.5", "def accumulate(*a): return torch.zeros(10 ** 7)"), wrong),
        Case("a huge exception", with_answer("4.5", "def accumulate(*a): raise ValueError('x' * 10 ** 7)"), wrong),
    ]  # fmt: skip


def attacks() -> list[Case]:
    """Right answers to 4.5 if, and only if, the attack was stopped."""
    search = """
import os
found = []
for folder, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if f not in ("proc", "sys") and "site-packages" not in folder]
    found += [os.path.join(folder, f) for f in files if f.endswith((".ipynb", "records.jsonl", "run.json"))]
    found += [folder] if folder.endswith(("/solutions", "/lessons", "/submissions")) else []
stopped = not found"""
    network = """
import socket
stopped = True
for family, address in ((socket.AF_INET, ("127.0.0.1", 22)), (socket.AF_INET, ("8.8.8.8", 53)),
                        (socket.AF_INET6, ("::1", 22))):
    try:
        socket.create_connection(address, timeout=1)
        stopped = False
    except OSError:
        pass
try:
    socket.gethostbyname("pypi.org")
    stopped = False
except OSError:
    pass"""
    writes = """
import os, shutil
for folder, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if f not in ("proc", "sys")]
    if folder.count("/") > 4: folders[:] = []
    try:
        open(os.path.join(folder, "was here"), "w").close()
    except OSError:
        continue
    if not folder.startswith("/tmp") and folder != "/dev/shm":
        raise SystemExit(folder)
for folder in ("/boot", "/etc", "/home", "/root", "/srv", "/var", "/tmp", os.path.dirname(torch.__file__)):
    shutil.rmtree(folder, ignore_errors=True)  # all of "/" takes as long as a cell may
stopped = os.path.exists(torch.__file__)"""
    package = """
import course
from pathlib import Path
stopped = True
for path in (Path(course.__file__), Path(torch.__file__), Path("/usr/lib/os-release")):
    try:
        path.write_text("pwned")
        stopped = False
    except OSError:
        pass"""
    environment = """
import os
text = open("/proc/self/environ").read() + " ".join(f"{k}={v}" for k, v in os.environ.items())
stopped = not any(word in text for word in ("COURSE_GRADE", "SECRET_TOKEN", "/root/")) and len(os.environ) < 40"""
    rights = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
status = open("/proc/self/status").read()
none = all(f"{name}:\\t0000000000000000" in status for name in ("CapEff", "CapPrm", "CapBnd"))
mounted = libc.mount(b"x", b"/tmp", b"tmpfs", 0, None) == 0
try:
    os.setuid(0)
    root = os.getuid() == 0
except OSError:
    root = False
stopped = none and "NoNewPrivs:\\t1" in status and not mounted and not root"""
    others = """
import os
mine = {os.getpid()}
seen = [int(p) for p in os.listdir("/proc") if p.isdigit()]
stopped = max(seen) < 50 and len(seen) < 12"""
    kill = """
import os, signal
for pid in (os.getppid(), 1, -1):
    try:
        if pid != -1 or True: os.kill(pid, {signal}) if pid not in (0,) else None
    except OSError:
        pass
stopped = True"""
    detached = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time, os\\nopen('/tmp/alive', 'w')\\ntime.sleep(10000)"],
                 start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
stopped = True"""
    bomb = """
import os, time
n, stopped = 0, False
for _ in range(2000):
    try:
        pid = os.fork()
    except OSError:
        stopped = True
        break
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    n += 1"""
    disk = """
stopped = False
try:
    with open("/tmp/big", "wb") as file:
        for _ in range(1000): file.write(b"x" * 1_000_000)
except OSError:
    stopped = True
files = []
try:
    for n in range(100):
        with open(f"/dev/shm/{n}", "wb") as file: file.write(b"x" * 20_000_000)
    stopped = False
except OSError:
    pass"""
    memory = """
stopped = False
try:
    hog = [bytearray(200_000_000) for _ in range(60)]
except MemoryError:
    stopped = True
hog = None"""
    children = """
import os, time
for _ in range(6):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            hog = bytearray(b"x") * 400_000_000
            time.sleep(30)
        os._exit(0)
time.sleep(4)"""
    sockets = """
import os, json
path = json.dumps(os.listdir("/tmp"))
folder = next(p for p in open("/proc/self/mountinfo").read().split() if "course-grade" in p)
try:
    open(folder + "/more", "w").close()
    stopped = os.stat(folder).st_uid == os.getuid()  # the grader is not root: the folder is watched
except OSError:
    stopped = True"""
    crashed, late = {"4.5": "crashed"}, {"4.5": "timed out"}
    return [
        Case("searches the disk", only_if(search), fast=True),
        Case("network", only_if(network), fast=True),
        Case("writes and deletes everywhere", only_if(writes), fast=True),
        Case("overwrites the package", only_if(package), fast=True),
        Case("reads the environment", only_if(environment), fast=True),
        Case("asks for rights", only_if(rights), fast=True),
        Case("looks at other processes", only_if(others), fast=True),
        Case("kills parent and pid 1", only_if(kill.replace("1, -1)", "1)").replace("{signal}", "9")), fast=True),
        Case("kills everything", around(kill.replace("{signal}", "9")), {"4.5": "?"}, "*"),
        Case("detached child", only_if(detached), fast=True),
        Case("fork bomb", only_if(bomb)),
        Case("disk filler", only_if(disk)),
        Case("memory bomb", only_if(memory)),
        Case("memory of children who left", around(children), crashed, "crashed", note="of memory"),
        Case("fills the folder of the sockets", only_if(sockets)),
        Case("os._exit", around("import os; os._exit(0)"), crashed, "crashed", "ended the kernel", fast=True),
        Case("os._exit in the function", body("import os; os._exit(0)"), crashed, "crashed"),
        Case("os._exit in the first answer", first("import os; os._exit(0)"), {"4.2": "crashed"}, "crashed", fast=True),
        Case("os._exit in the first and the last", first("import os; os._exit(0)", body("import os; os._exit(0)")),
             {"4.2": "crashed", "4.5": "crashed"}, "crashed"),
        Case("endless loop in the first function", changed(lambda nb: cell_of(nb, "4.2").update(
            source="# exercise 4.2\ndef initial_features(*a):\n    while True:\n        try:\n"
            "            while True: pass\n        except BaseException: pass")), {"4.2": "timed out"}, "timed out"),
        Case("helper cell that ends the kernel", changed(lambda nb: nb["cells"].insert(
            1, code("import os, torch\ntorch.set_num_threads(1)\nos._exit(0)"))), note="cell that was added"),
        Case("segfault", around("import ctypes; ctypes.string_at(0)"), crashed, "crashed"),
        Case("endless loop", around("", RIGHT, "while True: pass"), note="was stopped", fast=True),
        Case("endless loop before the answer", around("while True: pass"), late, "timed out"),
        Case("loop that swallows interrupts", around(
            "while True:\n    try:\n        while True: pass\n    except BaseException: pass"), late, "timed out"),
        Case("endless loop in the function", body("while True: pass"), late, "timed out", fast=True),
        Case("that swallows interrupts too", body(
            "while True:\n        try:\n            while True: pass\n        except BaseException: pass"),
            late, "timed out"),
        Case("endless output", around("while True: print('x' * 10_000)"), crashed, "crashed"),
        Case("memory bomb that goes on", around(
            "import mmap\nhog = []\nwhile True:\n    try:\n        hog.append(bytearray(100_000_000))\n"
            "    except MemoryError: pass"), {"4.5": "*"}, "*"),
        Case("breaks IPython", around("get_ipython().displayhook = lambda *a: None"), {"4.5": "*"}, "*"),
        Case("stops the event loop", around("import asyncio; asyncio.get_event_loop().stop()"), {"4.5": "*"}, "*"),
    ]  # fmt: skip


CASES = [*edits(), *unreadable(), *honest(), *cheats(), *attacks()]

# --------------------------------------------------------------------------- a module, and a true-or-false function
#
# A lesson of its own: 2.3, whose answers are yes and no, and 4.9, a module that is judged by laws.

NAMES = {"2.3": "is_invariant", "4.9": "Readout"}
STUBS = {
    "2.3": "def is_invariant(feature_fn, numbers, positions, transform):\n    raise NotImplementedError",
    "4.9": "class Readout(nn.Module):\n    def __init__(self, n_f):\n        raise NotImplementedError",
}
ANSWERS = {
    "2.3": """
def is_invariant(feature_fn, numbers, positions, transform):
    before = feature_fn(numbers, positions)
    after = feature_fn(*transform(numbers, positions))
    return bool((after - before).abs().max() <= 1e-6 * before.abs().max())
""",
    "4.9": """
class Readout(nn.Module):
    def __init__(self, n_f):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(n_f, n_f), nn.SiLU(), nn.Linear(n_f, 1))

    def forward(self, x):
        return self.network(x)
""",
}


def answered(**other: str) -> Json:
    """The notebook of that lesson, with other answers to is_invariant and Readout."""
    cells = [code("import torch\nfrom torch import nn\nfrom course.exercises import check, stuck")]
    for exercise, answer in ANSWERS.items():
        cells.append(code(f"# exercise {exercise}\n{other.get(NAMES[exercise], answer)}"))
        cells.append(code(f'check("{exercise}", {NAMES[exercise]})'))
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


LAWFUL_SOLUTION, LAWFUL_BLANK = answered(), answered(is_invariant=STUBS["2.3"], Readout=STUBS["4.9"])


def unreal() -> list[Case]:
    """No answer, only what a right one has once brought for the seed of the lesson."""
    public = {exercise: find(exercise).collect(find(exercise).reference) for exercise in NAMES}
    bits = [bool(record["result"]["values"][0]) for record in public["2.3"]]
    counted = f"answers = iter({bits} * 9)\ndef is_invariant(*a):\n    return next(answers)"
    named = (
        f"answers = {dict(zip([record['given'] for record in public['2.3']], bits, strict=True))!r}\n"
        "import sys\ndef is_invariant(*a):\n"
        "    return answers.get(sys._getframe(3).f_locals['case'].given, True)"
    )
    table = "answers = {}\ndef is_invariant(f, Z, R, t):\n    return t.__name__ in ('shifted', 'turned')"
    # the numbers of another run in place of those of this one, in three places
    recorded = f"import json\nrecorded = json.loads({json.dumps(public['4.9'])!r})\n"
    module = "class Readout(nn.Module):\n    def __init__(self, n_f):\n        super().__init__()\n"
    collect = (
        "from course.exercises.exercise import Exercise\nExercise.collect, plain = "
        "lambda s, f, seed=0: recorded if s.id == '4.9' else plain(s, f, seed), Exercise.collect\n"
    )
    sent = (
        "import course.grading.evidence as e\nplain = e._dumps\n"
        "e._dumps = lambda p: plain(p | {'evidence': [recorded] * 2} if p['exercise'] == '4.9' else p)\n"
    )
    draws = (  # the inputs are those of the seed, the numbers are not
        "import course.grading.evidence as e\nplain = e._dumps\ndef forged(mine):\n"
        "    new = {r['name']: r for r in mine}\n"
        "    return [new[r['name']] if r['name'].startswith('secret') and r['name'] in new else r for r in recorded]\n"
        "e._dumps = lambda p: plain(p | {'evidence': [forged(m) for m in p['evidence']]} "
        "if p['exercise'] == '4.9' else p)\n"
    )
    wrong, unlawful = {"2.3": "wrong"}, {"4.9": "wrong"}
    linear = ANSWERS["4.9"].replace(
        "nn.Sequential(nn.Linear(n_f, n_f), nn.SiLU(), nn.Linear(n_f, 1))", "nn.Linear(n_f, n_f)"
    )
    return [
        Case("lawful: correct", as_bytes(LAWFUL_SOLUTION), fast=True),
        Case("lawful: untouched", as_bytes(LAWFUL_BLANK), {"2.3": "not attempted", "4.9": "not attempted"}),
        Case("yes and no, one after another", as_bytes(answered(is_invariant=counted)), wrong, fast=True),
        Case("yes and no, by the words of the question", as_bytes(answered(is_invariant=named)), wrong),
        Case("yes and no, by the names of the transforms", as_bytes(answered(is_invariant=table)), wrong),
        Case("always yes", as_bytes(answered(is_invariant="def is_invariant(*a): return True")), wrong),
        Case("no weights", as_bytes(answered(Readout=module + "    def forward(self, x): return x[:, :1]")), unlawful),
        Case("evidence of another run, collected", as_bytes(answered(Readout=recorded + collect + linear)), unlawful,
             fast=True),
        Case("evidence of another run, sent", as_bytes(answered(Readout=recorded + sent + linear)), unlawful),
        Case("evidence of another run, with the inputs of this", as_bytes(answered(
            Readout=recorded + draws + linear)), unlawful, fast=True),
    ]  # fmt: skip


LAWFUL_CASES = unreal()
