"""`course grade --self-test`: harmless attacks on the instructor's own machine, to see what its sandbox really stops.

Each is the answer to an exercise: right only if the attack was stopped, or wrong and made to look right. So it goes the
way of every submission, and that way is tested too: reading, merging, the kernel, the judge.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from course.grading.grader import grade, prepare
from course.grading.running import Infrastructure
from course.grading.sandbox import Limits, Sandbox
from course.grading.submission import Record, Submission

STUB = '# exercise 4.5\ndef accumulate(messages, receivers, n_atoms):\n    raise NotImplementedError("4.5")'
ANSWER = """# exercise 4.5
import torch
stopped, wrong = True, None
{attack}
def accumulate(messages, receivers, n_atoms):
    if not stopped:
        raise NotImplementedError("nothing has stopped it")
    M = torch.zeros(n_atoms, messages.shape[1], dtype=messages.dtype)
    return M.index_add(0, receivers, messages) if wrong is None else wrong
"""
# `secret` is a file, `folder` a folder of the instructor's, `command` the words that started this process, `port` a
# server on this machine
ATTACKS = {
    "read a file of yours": "try:\n    open(secret).close(); stopped = False\nexcept OSError: pass",
    "write into a folder of yours": "try:\n    open(folder + '/x', 'w').close(); stopped = False\nexcept OSError: pass",
    "change the installed package": "import course\ntry:\n    open(course.__file__, 'a').close(); stopped = False\n"
    "except OSError: pass",
    "see an environment variable": "import os\nstopped = 'COURSE_SELF_TEST' not in os.environ",
    "see other processes": "from pathlib import Path\nfor file in Path('/proc').glob('[0-9]*/cmdline'):\n    try:\n"
    "        if file.read_text().split('\\0')[:-1] == command: stopped = False\n    except (OSError, ValueError): pass",
    "use the network": "import socket\ntry:\n    socket.create_connection(('127.0.0.1', port), 2).close()\n"
    "    stopped = False\nexcept OSError: pass",
    "start a hundred processes": "import os, time\ntry:\n    for _ in range(100):\n        if os.fork() == 0:\n"
    "            time.sleep(20); os._exit(0)\n    stopped = False\nexcept OSError: pass",
    "take 20 GB of memory": "try:\n    torch.empty(20_000_000_000, dtype=torch.uint8); stopped = False\n"
    "except (RuntimeError, MemoryError): pass",
    "fill the disk": "try:\n    with open('/tmp/course-self-test', 'wb') as file:\n        for _ in range(200):\n"
    "            file.write(b'x' * 1_000_000)\n    stopped = False\nexcept OSError: pass\n"
    "import os; os.unlink('/tmp/course-self-test')",
}
# a wrong answer that is made to look right
FORGERIES = {
    "get points by a forged check": "from course.exercises import evidence, exercise\n"
    "for module in (evidence, exercise, torch):\n"
    "    module.agree = module.allclose = module.equal = lambda *a, **k: True\nwrong = torch.ones(1)",
    "get points by an object equal to all": "class Equal(float):\n    def __eq__(self, other): return True\n"
    "wrong = Equal()",
}
ENDINGS = {
    "loop for ever": ("while True: pass", "timed out"),
    "loop and ignore interrupts": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "timed out",
    ),
    "kill the kernel": ("import os; os._exit(0)", "crashed"),
}


def try_all(sandbox: Sandbox) -> Iterator[tuple[str, bool, str]]:
    """(attack, whether it was stopped, in words). The canary comes first."""
    limits = Limits(cell_seconds=10)
    os.environ["COURSE_SELF_TEST"] = "1"
    with tempfile.TemporaryDirectory(dir=Path.home()) as home, socket.create_server(("127.0.0.1", 0)) as server:
        lesson, solution = Path(home, "lesson.ipynb"), Path(home, "solution.ipynb")
        lesson.write_bytes(_notebook(STUB))
        solution.write_bytes(_notebook(ANSWER.format(attack="")))
        try:
            assignment = prepare(lesson, solution, sandbox, limits=limits)
        except Infrastructure as error:
            yield "grade at all: solution all points, untouched lesson none", False, str(error)
            return
        yield "get points for the untouched lesson", True, "and the solution gets them all"

        def handed_in(what: str, answer: str) -> Record:
            return grade(assignment, Submission("self-test", what, _notebook(answer)))

        known = (str(lesson), home, sys.orig_argv, server.getsockname()[1])
        names = f"secret, folder, command, port = {known!r}\n"
        for what, attack in ATTACKS.items():
            row = handed_in(what, ANSWER.format(attack=names + attack)).rows[0]
            yield what, row.outcome == "correct", "" if row.outcome in ("correct", "not attempted") else row.message
        for what, attack in FORGERIES.items():
            yield what, handed_in(what, ANSWER.format(attack=attack)).points == 0, ""
        for what, (attack, wanted) in ENDINGS.items():
            record = handed_in(what, ANSWER.format(attack="").replace("    M = ", f"    {_indented(attack)}\n    M = "))
            yield what, record.status == wanted, f"{record.status} after {record.seconds:.0f} s"


def _indented(source: str) -> str:
    return source.replace("\n", "\n    ")


def _notebook(answer: str) -> bytes:
    cells: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"cell-{n}",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for n, source in enumerate((answer, 'check("4.5", accumulate)'))
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}).encode()
