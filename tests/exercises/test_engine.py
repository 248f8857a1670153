"""The engine, with two small made-up exercises: one judged by value, one by laws."""

import json
import warnings

import numpy as np
import pytest
import torch

import course.exercises
from course.exercises import Exercise, check, hint, predict, stuck
from course.exercises.evidence import agree, array, describe, encode, run
from course.exercises.exercise import Case, Law, Misconception, by_laws, by_value, tensor
from course.exercises.lesson import ExerciseError, outcome_html


def shift(values, index):
    """The reference of the made-up exercise: add one at each index, as often as it occurs."""
    return values.index_add(0, index, torch.ones(len(index), dtype=values.dtype))


def shift_once(values, index):
    values = values.clone()
    values[index] += 1
    return values


def shift_by_minus_one(values, index):
    return values.index_add(0, index, -torch.ones(len(index), dtype=values.dtype))


def cases(rng):
    yield Case((tensor([1.0, 2.0]), tensor([1])))
    yield Case((tensor([1.0, 2.0, 3.0]), tensor([1, 1, 2])))
    yield Case((tensor(rng.normal(size=7)), tensor(rng.integers(0, 7, size=12))))
    yield Case((tensor([5, 6]), tensor(np.zeros(0, int))))


SHIFT = by_value(
    "9.1",
    shift,
    cases=cases,
    success="each index counted.",
    start="Start from values.clone().",
    hints=("first", "second", "third"),
    misconceptions=[
        Misconception("last one wins", "Only the last one counted.", shift_once),
        Misconception("sign", lambda d: f"You went down from {describe(d.inputs['values'])}.", shift_by_minus_one),
    ],
)


class Line:
    """The reference of the exercise with laws: any increasing line."""

    def __call__(self, x):
        return 2 * x + 1


class Falling:
    def __call__(self, x):
        return -x


def measure(line_class, rng):
    line = line_class()
    x = tensor(np.sort(rng.normal(size=5)))
    y = line(x)
    yield "y", y
    yield "x", x
    yield "at 1", line(tensor([1.0]))


LINE = by_laws(
    "9.2",
    Line,
    measure=measure,
    laws=[
        Law("rising", "Your line falls.", lambda m: bool((np.diff(m["y"]) > 0).all()), Falling),
        Law("one", "At 1 it must be positive.", lambda m: bool(m["at 1"][0] > 0)),
    ],
    success="it rises.",
    start="Begin with `__call__`.",
    hints=("first", "second", "third"),
)


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course.exercises, "find", {"9.1": SHIFT, "9.2": LINE}.__getitem__)


# ------------------------------------------------------------------------------------------------- the four outcomes


def test_right():
    def mine(a, b):
        return shift(a, b)

    outcome = SHIFT.examine([mine])
    assert outcome.kind == "correct"
    assert outcome.text() == "✓ 9.1 shift: each index counted."


def test_not_attempted():
    def stub(values, index):
        """Docstring."""
        raise NotImplementedError("9.1 shift")

    outcome = SHIFT.examine([stub])
    assert outcome.kind == "not attempted"
    assert outcome.text() == "– 9.1 shift: not written yet. Start from values.clone()."


@pytest.mark.parametrize("nothing", [None, ...])
def test_nothing_returned(nothing):
    outcome = SHIFT.examine([lambda values, index: nothing])
    assert outcome.kind == "not attempted"
    assert "return" in outcome.text()


def test_torchs_own_not_implemented_is_an_error():
    outcome = SHIFT.examine([lambda values, index: torch.nn.Module()(values)])
    assert outcome.kind == "wrong" and "NotImplementedError" in outcome.text()


def test_handed_over():
    outcome = SHIFT.examine([stuck("9.1")])
    assert outcome.kind == "handed over" and "0 points" in outcome.text()
    check("9.1", stuck("9.1"))  # does not raise


def test_a_misconception_is_named():
    outcome = SHIFT.examine([shift_once])
    assert (outcome.kind, outcome.misconception) == ("wrong", "last one wins")
    assert outcome.text() == "✗ 9.1 Only the last one counted."
    assert SHIFT.examine([shift_by_minus_one]).text() == "✗ 9.1 You went down from [1., 2.]."


def test_the_smallest_difference_is_shown_and_can_be_withheld():
    outcome = SHIFT.examine([lambda values, index: values])
    assert outcome.text() == ("✗ 9.1 First difference: values [1., 2.], index [1]. Expected [1., 3.], got [1., 2.].")
    assert "3." not in outcome.text(reveal=False)


def test_a_wrong_shape():
    outcome = SHIFT.examine([lambda values, index: shift(values, index)[:, None]])
    assert "Expected shape (2,), got (2, 1)" in outcome.text()


def test_an_error_names_the_learners_line_and_the_shapes():
    def mine(values, index):
        return values[index + 100]

    text = SHIFT.examine([mine]).text()
    assert "IndexError" in text and "`return values[index + 100]`" in text
    assert "values (2,)" in text


# --------------------------------------------------------------------------------------------------- learners do things


class AlwaysEqual:
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "answer",
    [
        AlwaysEqual(),
        "right",
        [[1.0], [2.0, 3.0]],
        float("nan"),
        torch.full((2,), torch.nan),
        10**400,
        [10**30, 1],
        np.array(["a", "b"]),
        torch.zeros(200_000),
        torch.tensor([1j, 2j]),
        object,
        {"a": 1},
        torch.sparse_coo_tensor(torch.tensor([[0]]), torch.tensor([1.0]), (2,), check_invariants=True),
    ],
    ids=lambda answer: type(answer).__name__,  # repr holds an address, which differs between workers
)
def test_strange_answers_are_wrong(answer):
    outcome = SHIFT.examine([lambda values, index: answer])
    assert outcome.kind == "wrong"
    assert outcome.text() and outcome_html(outcome)


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y.float(),
        lambda y: y.numpy(),
        lambda y: y.tolist(),
        lambda y: tuple(y),
        lambda y: list(y),
        lambda y: y.clone().requires_grad_() * 1.0 if y.is_floating_point() else y,
        lambda y: y.to_sparse(),
    ],
)
def test_every_kind_of_array_is_right(change):
    assert SHIFT.examine([lambda values, index: change(shift(values, index))]).kind == "correct"


def test_prints_and_warnings_are_swallowed(capsys):
    def noisy(values, index):
        print("here I am")
        warnings.warn("careful", stacklevel=1)
        torch.set_grad_enabled(False)
        torch.manual_seed(1)
        return shift(values, index)

    torch.rand(3)
    before = torch.random.get_rng_state()
    assert SHIFT.examine([noisy]).kind == "correct"
    assert "here I am" not in capsys.readouterr().out
    assert torch.is_grad_enabled()
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_end_of_what_was_printed_is_shown_with_a_wrong_answer():
    def debugging(values, index):
        for k in range(50):
            print("values", values.tolist(), k)
        return values

    outcome = SHIFT.examine([debugging])
    assert outcome.text().endswith("Your function printed: values [1.0, 2.0] 48\nvalues [1.0, 2.0] 49")
    assert "printed  values [1.0, 2.0] 48\n         values [1.0, 2.0] 49" in outcome_html(outcome)
    assert "48" not in outcome.text(reveal=False)
    assert "printed" not in SHIFT.examine([lambda values, index: values]).text()
    long = SHIFT.examine([lambda values, index: print("x" * 1000 + "end") or values])
    assert len(long.printed) == 200 and long.printed.endswith("end")
    unfinished = SHIFT.examine([lambda values, index: print("not yet")])
    assert unfinished.kind == "not attempted" and "printed: not yet" in unfinished.text()

    class Noisy(Falling):
        def __call__(self, x):
            print("falling")
            return -x

    assert LINE.examine([Noisy]).text().endswith("Your function printed: falling\nfalling")


def test_an_input_changed_in_place_is_named_and_does_not_disturb_the_check():
    def greedy(values, index):
        return values.index_add_(0, index, torch.ones(len(index), dtype=values.dtype))

    outcome = SHIFT.examine([greedy])
    assert outcome.kind == "wrong" and "changed its input `values`" in outcome.text()


def test_functions_of_one_exercise_do_not_disturb_each_other():
    def plus(values):
        return values + 1

    def minus(values):
        return values - 1

    pair = by_value(
        "9.3",
        plus,
        minus,
        cases=lambda rng: [Case((tensor([1.0]),)), Case((tensor([2.0, 3.0]),), of="minus")],
        success="both.",
        start="Begin.",
        hints=(),
        misconceptions=[Misconception("sign", "The sign is wrong.", plus, of="minus")],
    )

    def greedy(values):
        values += 1
        return values

    evidence, reference = pair.collect([greedy, lambda values: values - 1]), pair.collect(pair.reference)
    assert evidence[1]["result"] == reference[1]["result"], "the second function gets the old values"
    assert "changed its input" in pair.examine([greedy, lambda values: values - 1]).text()
    assert pair.examine([lambda v: v + 1, lambda v: v - 1]).kind == "correct"
    assert pair.examine([lambda v: v + 1, lambda v: 1 + v]).text() == "✗ 9.3 minus: The sign is wrong."
    assert "minus: First difference: values [2., 3.]" in pair.examine([lambda v: v + 1, lambda v: v - 1 / v]).text()
    assert [record["function"] for record in pair.collect(pair.reference)] == ["plus", "minus", "minus"]


def test_exit_does_not_end_the_session():
    def leave(values, index):
        raise SystemExit

    assert SHIFT.examine([leave]).kind == "wrong"


def test_patched_comparisons_do_not_help(monkeypatch):
    for module in (torch, np):
        for name in ("allclose", "array_equal", "equal", "isclose"):
            monkeypatch.setattr(module, name, lambda *a, **k: True, raising=False)
    monkeypatch.setattr(torch.testing, "assert_close", lambda *a, **k: None)
    assert SHIFT.examine([lambda values, index: values]).kind == "wrong"


def test_under_no_grad_the_learner_may_need_gradients():
    def with_gradient(values, index):
        x = torch.ones((), requires_grad=True)
        (one,) = torch.autograd.grad(torch.exp(x) / torch.e, x)
        return shift(values, index) * one

    with torch.no_grad():
        assert SHIFT.examine([with_gradient]).kind == "correct"


def test_the_result_instead_of_the_function():
    text = SHIFT.examine([shift(torch.zeros(2), torch.tensor([1]))]).text()
    assert 'check("9.1", shift)' in text
    assert 'check("9.1", shift)' in SHIFT.examine([]).text()


# ------------------------------------------------------------------------------------------------------------- laws


def test_laws():
    class Mine(Line):
        pass

    class Negative:
        def __call__(self, x):
            return x - 10

    class Empty:
        def __call__(self, x):
            raise NotImplementedError

    class Crashing:
        def __call__(self, x):
            return x if len(x) > 1 else x[3]

    class CrashingAndFalling:
        def __call__(self, x):
            return -x if len(x) > 1 else x[3]

    assert LINE.examine([Mine]).text() == "✓ 9.2 Line: it rises."
    assert LINE.examine([Falling]).misconception == "rising"
    assert LINE.examine([Negative]).text() == "✗ 9.2 At 1 it must be positive."
    assert LINE.examine([Empty]).kind == "not attempted"
    assert "IndexError" in LINE.examine([Crashing]).text()
    assert LINE.examine([CrashingAndFalling]).misconception == "rising"
    assert LINE.examine([Line]).kind == "handed over"


# ---------------------------------------------------------------------------------------------- evidence is plain JSON


def test_evidence_is_json_and_judging_needs_no_functions():
    evidence = json.loads(json.dumps(SHIFT.collect([shift_once], seed=7), allow_nan=False))
    references = json.loads(json.dumps(SHIFT.collect_references(seed=7), allow_nan=False))
    assert SHIFT.judge(evidence, references).misconception == "last one wins"
    evidence = json.loads(json.dumps(LINE.collect([Falling], seed=7), allow_nan=False))
    assert LINE.judge(evidence, {"reference": LINE.collect([Line], seed=7)}).misconception == "rising"


def test_seeds_change_the_inputs():
    assert SHIFT.collect([shift], 1) == SHIFT.collect([shift], 1)
    assert SHIFT.collect([shift], 1) != SHIFT.collect([shift], 2)


@pytest.mark.parametrize(
    "value", [torch.tensor([[1.0, torch.inf], [-torch.inf, 0.5]]), torch.tensor(True), torch.zeros(0, 3), 3, [[1], [2]]]
)
def test_numbers_come_back(value):
    encoded = json.loads(json.dumps(encode(value), allow_nan=False))
    np.testing.assert_array_equal(array(encoded), np.asarray(value))
    assert agree(encoded, encode(value))


def test_evidence_stays_small():
    assert encode(torch.zeros(200, 200)) == {"too large": [200, 200]}
    assert "values" not in encode([[0.0] * 300] * 300)
    nested: list = []
    nested.append(nested)
    assert len(str(encode(nested))) < 200
    assert len(str(run(lambda: dict[str, int]()["x" * 10_000]))) < 1000


def test_nan_is_equal_to_nan_and_to_nothing_else():
    assert agree(encode(float("nan")), encode(float("nan")))
    assert not agree(encode(float("nan")), encode(1.0))
    assert not agree(encode(1.0), encode(float("nan")))
    assert not agree(encode(float("inf")), encode(1.0))
    assert not agree(encode(1.0), encode(float("inf")))


def test_single_precision_is_inside_the_tolerance_and_a_per_mille_is_not():
    values = torch.from_numpy(np.random.default_rng(0).normal(size=1000))
    assert agree(encode(values.float()), encode(values))
    assert not agree(encode(values * 1.001), encode(values))


def test_errors_do_not_agree_with_values():
    failed = run(lambda: 1 / 0)
    assert not agree(failed, encode(1.0)) and agree(failed, run(lambda: [][1]))


# ----------------------------------------------------------------------------------------------- what the learner sees


def test_outside_a_notebook_the_exception_says_everything(capsys):
    with pytest.raises(ExerciseError, match="Only the last one counted") as error:
        check("9.1", shift_once)
    assert error.value._render_traceback_() == ["✗ 9.1 Only the last one counted."]
    check("9.1", lambda values, index: shift(values, index))
    assert capsys.readouterr().out == "✓ 9.1 shift: each index counted.\n"


def test_html_is_escaped_and_leaves_colours_to_the_theme():
    class Tag:
        pass

    Tag.__name__ = "<script>"
    html = outcome_html(SHIFT.examine([lambda values, index: Tag()]))
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert "color:black" not in html and "background:#" not in html


def test_the_difference_is_set_in_lines():
    html = outcome_html(SHIFT.examine([lambda values, index: values]))
    assert "input    values [1., 2.], index [1]\nexpected [1., 3.]\ngot      [1., 2.]" in html


def test_hints_count_up(capsys):
    for expected in ("Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3", "Hint 3 of 3"):
        hint("9.1")
        assert capsys.readouterr().out.startswith(expected)
    hint("9.1", 2)
    assert "second (1 more.)" in capsys.readouterr().out
    with pytest.raises(ValueError, match="hints 1 to 3"):
        hint("9.1", 4)


def test_unknown_exercises(monkeypatch):
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"Day 4 has 4\.1"):
        course.exercises.find("4.99")
    for nonsense in ("99.1", "4a.1", "x", "", "../4.1", 4.5):
        with pytest.raises(ValueError, match="Exercises are named by day and number"):
            course.exercises.find(nonsense)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------- predictions


def test_predictions(capsys):
    choices = ["messages", "bundles", "nothing"]
    asked = predict("9.1", choices)
    assert not asked
    assert "(2) bundles" in capsys.readouterr().out
    for answer, said in ((2, "bundles"), ("nothing", "nothing"), ([1, 3], "messages, nothing")):
        prediction = predict("9.1", choices, answer)
        assert prediction and prediction.said == said
    capsys.readouterr()
    predict("9.1", choices, 2).compare("nothing")
    assert "You said: bundles. It is: nothing." in capsys.readouterr().out
    asked.compare("nothing")
    assert "You said: nothing yet." in capsys.readouterr().out
    for wrong in (7, 0, "message", 1.5, True):
        assert not predict("9.1", choices, wrong)
        assert "not among the choices 1 to 3" in capsys.readouterr().out
    predict("9.1", unit="eV")
    assert "Write a number (eV) as `answer=`" in capsys.readouterr().out
    predict("9.1", answer=1.23456, unit="eV").compare(0.5, "eV")
    assert "You said: 1.235 eV. It is: 0.5 eV." in capsys.readouterr().out


def test_exercise_is_frozen():
    assert isinstance(SHIFT, Exercise)
    with pytest.raises(AttributeError):
        SHIFT.points = 100  # type: ignore[misc]


def test_an_answer_that_calls_an_unwritten_one_is_told_which():
    def stub(values):
        raise NotImplementedError("9.0 earlier: not written yet")

    text = SHIFT.examine([lambda values, index: stub(values)]).text()
    assert text == (
        '– 9.1 shift: it calls `earlier` of 9.0, which is not written yet. `earlier = stuck("9.0")` hands it over.'
    )
