"""What runs in the kernel, in place of each check: call the learner's functions, publish what came back.

This is the only module of the grader on the learner's side. It is loaded before the learner's first cell, keeps its
own references to what it uses, and asks the user's namespace for the functions and for nothing else. So names that
the learner has overwritten do not disturb it. It decides nothing: whoever forges its messages has to know the answers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from course.exercises import find
from course.exercises.exercise import Exercise

MIME = "application/vnd.course.evidence+json"
MARK = "# evidence wanted "  # the source of a cell that takes the place of a check: this, and JSON
MAX_BYTES = 2_000_000  # of one exercise's evidence
# what only stands for a function
_dumps, _loads, _type, _len, _callable, _getattr = json.dumps, json.loads, type, len, callable, getattr
_exercises: dict[str, Exercise] = {}
_ours: dict[tuple[str, str], tuple[Any, Any]] = {}
_kernel: Any = None
_send: Callable[..., Any]


def prepare(ids: Sequence[str]) -> None:
    """The first cell of a graded notebook."""
    global _kernel, _send
    from ipykernel.kernelapp import IPKernelApp

    for id in ids:
        _exercises[id] = find(id)
    _kernel = IPKernelApp.instance().kernel
    _send = _kernel.session.send
    _kernel.do_execute = _do_execute(_kernel.do_execute)
    _ours.update(_functions())


def _functions() -> dict[tuple[str, str], tuple[Any, Any]]:
    """What probes and references are made of, by module and name: the learner's code shares a process with it."""
    held: dict[str, Mapping[str, Any]] = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "course":
            held[name] = vars(module)
            held |= {f"{name}.{n}": vars(c) for n, c in held[name].items() if isinstance(c, _type)}
    held |= {id: vars(exercise) for id, exercise in _exercises.items()}
    return {
        (where, name): (one, _getattr(one, "__code__", None))
        for where, names in held.items()
        for name, one in names.items()
        if _callable(one)
    }


def _changed() -> list[str]:
    """Which of them are not what they were in the first cell."""
    pairs = [(key, _ours.get(key, now), now) for key, now in _functions().items()]
    return [".".join(key) for key, was, now in pairs if was[0] is not now[0] or was[1] is not now[1]]


def _do_execute(run_cell: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel's method, but for cells with our mark: they do not go through IPython, which may have hooks."""

    async def do_execute(code: str, *arguments: Any, **more: Any) -> Any:
        if not code.startswith(MARK):
            return await run_cell(code, *arguments, **more)
        try:
            publish(**_loads(code.removeprefix(MARK)))
            return {"status": "ok", "execution_count": 0, "user_expressions": {}, "payload": []}
        except BaseException as error:  # also the interrupt after a timeout
            words = {"ename": _type(error).__name__, "evalue": str(error)[:300], "traceback": []}
            _send(_kernel.iopub_socket, "error", words, parent=_kernel.get_parent(), ident=b"error")
            return {"status": "error", "execution_count": 0, **words}

    return do_execute


def publish(exercise: str, names: Sequence[str], seeds: Sequence[int], with_references: bool) -> None:
    """Publish the evidence for the functions of these names, once for each seed."""
    asked = _exercises[exercise]
    payload: dict[str, Any] = {"exercise": exercise}
    user = _kernel.shell.user_ns
    functions = [user.get(name) for name in names]
    missing = [name for name in names if name not in user]
    no_function = [name for name, function in zip(names, functions, strict=True) if not _callable(function)]
    if changed := _changed():
        payload |= {"state": "changed", "words": changed[0]}
    elif missing:
        payload |= {"state": "missing", "words": missing[0]}
    elif no_function:
        payload |= {"state": "no function", "words": f"{no_function[0]} is a {_type(user[no_function[0]]).__name__}"}
    elif any(_is_library(f, r) for f, r in zip(functions, asked.reference, strict=True)):
        payload |= {"state": "handed over"}
    else:
        payload |= {"state": "evidence", "evidence": [asked.collect(functions, seed) for seed in seeds]}
    if with_references:
        payload["references"] = [asked.collect_references(seed) for seed in seeds]
    text = _dumps(payload)
    if _len(text) > MAX_BYTES and not with_references:
        text = _dumps({"exercise": exercise, "state": "too large", "words": f"{_len(text) / 1e6:.0f} MB"})
    # not through IPython's display machinery, which may have hooks
    content = {"data": {MIME: text}, "metadata": {}, "transient": {}}
    _send(_kernel.iopub_socket, "display_data", content, parent=_kernel.get_parent(), ident=b"display_data")


def _is_library(function: Any, reference: Any) -> bool:
    """Whether this is what `stuck` hands over, or another function of this package."""
    code = _getattr(function, "__code__", None)
    if code is not None:
        return code is _getattr(reference, "__code__", None) or _from_package(code.co_filename)
    module = sys.modules.get(str(_getattr(function, "__module__", "")))
    return function is reference or (module is not None and _from_package(str(_getattr(module, "__file__", ""))))


def _from_package(filename: str) -> bool:
    return filename.startswith(__file__.removesuffix("grading/evidence.py"))
