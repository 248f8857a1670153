"""Evidence: what a function returned, written down as plain JSON, so that somebody else can judge it.

An array becomes `{"shape": [2, 3], "kind": "float", "values": [...]}` with the values in one flat list, "nan", "inf"
and "-inf" as words. Everything that `torch.as_tensor` takes is an array, and so is a list of equal arrays. Other
answers become `{"parts": [...]}`, `{"fields": {...}}`, `{"nothing": true}`, `{"other": "a str"}`, an exception
`{"error": ...}`. Nothing here asks the answer whether it equals something: an object that says yes to every
question is only "other".

The comparison is plain Python on those lists. A notebook that has overwritten `torch.allclose` does not disturb it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import linecache
import math
import os
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

Encoded = dict[str, Any]  # one answer, JSON types only

MAX_VALUES = 20_000  # larger answers are not written down
MAX_DEPTH = 6  # of lists in lists


# ------------------------------------------------------------------------------------------------------- write down


def encode(answer: Any, depth: int = 0) -> Encoded:
    """The answer as JSON types."""
    if answer is None or answer is Ellipsis:
        return {"nothing": True}
    if isinstance(answer, torch.Tensor | np.ndarray | np.generic | bool | int | float):
        return _encode_array(answer)
    if isinstance(answer, list | tuple):
        if len(answer) > MAX_VALUES or depth == MAX_DEPTH:
            return {"other": f"a {type(answer).__name__} of {len(answer)} things"}
        return _join([encode(part, depth + 1) for part in answer])
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        names = [field.name for field in dataclasses.fields(answer)]
        return {"fields": {name: encode(getattr(answer, name), depth + 1) for name in names}}
    if isinstance(answer, dict) and depth < MAX_DEPTH:
        return {"fields": {str(name): encode(part, depth + 1) for name, part in islice(answer.items(), 100)}}
    return {"other": f"a {type(answer).__name__}"}


def _encode_array(answer: Any) -> Encoded:
    try:
        tensor = torch.as_tensor(answer).detach().cpu()
        tensor = tensor.to_dense() if tensor.layout != torch.strided else tensor
    except Exception:  # an array of words, an integer of a thousand digits
        return {"other": f"a {type(answer).__name__} that is not made of numbers"}
    if tensor.is_complex():
        return {"other": "complex numbers"}
    shape = list(tensor.shape)
    if tensor.numel() > MAX_VALUES:
        return {"too large": shape}
    kind = "bool" if tensor.dtype == torch.bool else "float" if tensor.is_floating_point() else "int"
    values = tensor.reshape(-1).tolist()
    if kind == "float":
        values = [value if math.isfinite(value) else str(value) for value in values]
    return {"shape": shape, "kind": kind, "values": values}


def _join(parts: list[Encoded]) -> Encoded:
    """A list of equal arrays is one array with one axis more."""
    if not parts:  # a list of no indices is as good as one of no floats
        return {"shape": [0], "kind": "int", "values": []}
    if all("values" in part for part in parts) and all(part["shape"] == parts[0]["shape"] for part in parts):
        kinds = {part["kind"] for part in parts}
        kind = kinds.pop() if len(kinds) == 1 else "float" if "float" in kinds else "int"
        values = [value for part in parts for value in part["values"]]
        if len(values) > MAX_VALUES:
            return {"too large": [len(parts), *parts[0]["shape"]]}
        return {"shape": [len(parts), *parts[0]["shape"]], "kind": kind, "values": values}
    return {"parts": parts}


def array(encoded: Encoded) -> np.ndarray:
    """The numbers again. Raises ValueError where the answer was not an array."""
    if "values" not in encoded:
        raise ValueError(f"Not an array: {describe(encoded)}.")
    kind = {"float": np.float64, "int": np.int64, "bool": np.bool_}[encoded["kind"]]
    return np.array([float(v) if isinstance(v, str) else v for v in encoded["values"]], kind).reshape(encoded["shape"])


# ------------------------------------------------------------------------------------------------------------- run


def run(function: Callable[..., Any], *arguments: Any) -> Encoded:
    """What the function returns, or how it failed. Ctrl-C still gets through."""
    try:
        return encode(function(*arguments))
    except (Exception, SystemExit) as error:
        return encode_error(error)


class Slip(Exception):
    """Raised by a check's own code, with the sentence for the learner."""


def encode_error(error: BaseException) -> Encoded:
    """The exception, and the last line of the learner's own code on the way to it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_own_code(frame.filename)]
    encoded: Encoded = {"type": type(error).__name__, "message": _shorten(str(error), 300)}
    if own:
        text = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
        encoded |= {"line": own[-1].lineno, "text": _shorten(text, 160)}
    # torch raises NotImplementedError too; only one raised by the learner's own line is an empty stub
    encoded["stub"] = isinstance(error, NotImplementedError) and bool(own) and own[-1] is frames[-1]
    return {"error": encoded}


def is_own_code(filename: str) -> bool:
    """Whether this file is neither Python's, nor an installed package's, nor the library's."""
    return not filename.startswith("<frozen") and not any(filename.startswith(folder) for folder in _FOREIGN)


_FOREIGN = (
    *{sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")},
    f"{Path(__file__).parents[1]}{os.sep}",  # `course`
)


def _shorten(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 3] + "..."


@contextlib.contextmanager
def last_printed() -> Iterator[Callable[[], str]]:
    """Catch what is printed; the result gives the end of it, two lines and 200 characters at most."""
    out = io.StringIO()

    def end() -> str:
        text = "\n".join([line.rstrip() for line in out.getvalue().splitlines() if line.strip()][-2:])
        return text if len(text) <= 200 else "..." + text[-197:]

    with contextlib.redirect_stdout(out):
        yield end


@contextlib.contextmanager
def quiet(seed: int = 0) -> Iterator[None]:
    """Swallow what the learner's code prints, plots and warns, and leave torch's global switches as they were."""
    with contextlib.ExitStack() as stack:
        if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
            from IPython.utils.capture import capture_output

            stack.enter_context(capture_output())  # rich displays and figures too
        else:
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.random.fork_rng(devices=[]))
        torch.manual_seed(seed)
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)  # everything here is small; threads that wait for each other cost seconds
        yield


# --------------------------------------------------------------------------------------------------------- compare


def agree(a: Encoded, b: Encoded, tolerance: float = 1e-4) -> bool:
    """Whether two answers say the same: same shape, and values equal within the tolerance.

    The tolerance is relative to each value, and a tenth of it to the largest value of the array, so that an answer
    computed in single precision agrees with one in double. Integers, floats and booleans of equal value agree. Two
    failures agree, whatever the words of the exception.
    """
    if "values" in a and "values" in b:
        return a["shape"] == b["shape"] and first_difference(a, b, tolerance) is None
    if "parts" in a and "parts" in b:
        pairs = zip(a["parts"], b["parts"], strict=False)
        return len(a["parts"]) == len(b["parts"]) and all(agree(x, y, tolerance) for x, y in pairs)
    if "fields" in a and "fields" in b:
        return a["fields"].keys() == b["fields"].keys() and all(
            agree(a["fields"][name], b["fields"][name], tolerance) for name in a["fields"]
        )
    return ("error" in a and "error" in b) or ("nothing" in a and "nothing" in b)


def first_difference(a: Encoded, b: Encoded, tolerance: float = 1e-4) -> int | None:
    """The first place, in the flat lists of two arrays of equal shape, where they differ; b is the expected one."""
    got, expected = [[float(value) for value in encoded["values"]] for encoded in (a, b)]
    largest = max((abs(value) for value in expected if math.isfinite(value)), default=0.0)
    for place, (x, y) in enumerate(zip(got, expected, strict=True)):
        if x == y or (math.isnan(x) and math.isnan(y)):
            continue
        allowed = tolerance * abs(y) + 0.1 * tolerance * max(1.0, largest)
        if not (math.isfinite(x) and math.isfinite(y) and abs(x - y) <= allowed):
            return place
    return None


# ------------------------------------------------------------------------------------------------------- put in words


def describe(encoded: Encoded, limit: int = 24) -> str:
    """The answer as the learner would print it, or only its shape where it is long."""
    if "values" in encoded:
        if len(encoded["values"]) > limit:
            return f"an array of shape {_shape(encoded)}"
        if len(encoded["values"]) == 0 and encoded["shape"] != [0]:
            return f"an empty array of shape {_shape(encoded)}"
        return _nested(encoded["shape"], encoded["values"])
    if "parts" in encoded:
        return "(" + ", ".join(describe(part, limit) for part in encoded["parts"][:6]) + ")"
    if "fields" in encoded:
        return ", ".join(f"{name} {describe(part, limit)}" for name, part in encoded["fields"].items())
    if "nothing" in encoded:
        return "None"
    if "too large" in encoded:
        return f"an array of shape {tuple(encoded['too large'])}"
    if "error" in encoded:
        return describe_error(encoded)
    return str(encoded.get("other", encoded))


def describe_error(encoded: Encoded) -> str:
    error = encoded["error"]
    words = f"{error['type']}: {error['message']}" if error["message"] else error["type"]
    if error["type"] == Slip.__name__:
        words = error["message"]
    if error.get("text"):
        words += f" (your line {error['line']}: `{error['text']}`)"
    return words


def shape_only(encoded: Encoded) -> str:
    """`(4, 2)` for an array, the value itself for a number."""
    if "values" in encoded and encoded["shape"]:
        return _shape(encoded)
    return describe(encoded)


def _shape(encoded: Encoded) -> str:
    return str(tuple(encoded["shape"]))


def _nested(shape: Sequence[int], values: Sequence[Any]) -> str:
    if not shape:
        return number(values[0])
    step = len(values) // shape[0] if shape[0] else 0
    return "[" + ", ".join(_nested(shape[1:], values[k * step : (k + 1) * step]) for k in range(shape[0])) + "]"


def number(value: Any) -> str:
    """A float as numpy prints it, with four digits: `2.`, `0.5312`."""
    if not isinstance(value, float):
        return str(value)
    text = f"{value:.4g}"
    return text if "." in text or "e" in text or "n" in text else text + "."
