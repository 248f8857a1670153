"""The comparison: every model is made from the frames it is given; a stopped run goes on; the results can be read."""

import json
import math
from pathlib import Path

import pytest
import torch

import course
from course.comparison import MODELS, load_comparison, mean_and_error, table_row
from course.scorecard import LAWS
from course.training import Errors, learning_curve, trained
from tools import compare_potentials
from tools.compare_potentials import ON_MOLECULES, Training, plan

ETHANOL = course.load("ethanol")


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_new_and_knows_energies_of_ethanol(name: str) -> None:
    frames = ETHANOL.split("train")[:10]
    first, second = (MODELS[name](frames) for _ in range(2))
    assert first is not second
    potential = course.Potential.for_data(first, frames)
    assert potential.elements == frames.elements
    assert torch.isfinite(potential.predict(ETHANOL.to_ase(0)).energy).all()


def test_mean_and_error_by_hand() -> None:
    assert mean_and_error([10, 12, 20]) == pytest.approx((14.0, math.sqrt(28 / 3)))
    mean, error = mean_and_error([7.0])
    assert mean == 7.0 and math.isnan(error)
    row = table_row([Errors(1, 10, 0, 0), Errors(3, 20, 0, 0)], torch.nn.Linear(3, 2))
    assert row == {"energy_mae": 2, "energy_error": 1, "force_mae": 15, "force_error": 5, "parameters": 8}


def test_a_training_is_repeated_by_its_seed_and_by_no_other() -> None:
    def curve(seeds: list[int]) -> dict[int, list[Errors]]:
        return learning_curve(MODELS["BPNN, radial"], ETHANOL, [5], seeds, steps=4, progress=False)

    first = curve([1, 2])[5]
    assert first[0] != first[1]
    assert curve([2])[5][0] == pytest.approx(first[1])
    with pytest.raises(ValueError, match="2000 training frames: there are 1200"):
        trained(MODELS["BPNN, radial"], ETHANOL, 2000, 0)


def test_the_plan_names_every_training_once_and_the_table_comes_first() -> None:
    trainings = list(plan())
    assert len({training.file for training in trainings}) == len(trainings) == 9 * 4 * 3 + 3 * len(ON_MOLECULES)
    assert {training.size for training in trainings[:27]} == {1000}
    assert {training.model for training in trainings[:9]} == {"composition", *MODELS}


def test_a_run_that_was_stopped_goes_on_and_what_is_there_can_be_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_potentials, "RECORDS", tmp_path)
    monkeypatch.setattr(compare_potentials, "RESULT", tmp_path / "result.json")
    few = [Training("ethanol", 1000, 1, "composition"), Training("ethanol", 30, 0, "MPNN, T = 0")]
    monkeypatch.setattr(compare_potentials, "plan", lambda: iter(few))
    few[0].file.write_text(
        json.dumps(
            {**few[0]._asdict(), "errors": {split: [1, 2, 3, 4] for split in ("test", "test_300K", "test_1000K")}}
        )
    )
    compare_potentials.train(steps=12)
    assert json.loads(few[0].file.read_text())["errors"]["test"] == [1, 2, 3, 4]  # it was there, and it still is
    assert json.loads(few[1].file.read_text())["steps"] == 12
    compare_potentials.ship()
    results = load_comparison(tmp_path / "result.json")
    assert results.curves["composition"] == {1000: [Errors(1, 2, 3, 4)]}
    assert len(results.curves["MPNN, T = 0"][30]) == 1 and results.curves["MPNN, T = 3"] == {}
    assert results.elsewhere["composition"]["test_300K"] == [Errors(1, 2, 3, 4)]


def test_the_results_that_come_with_the_course() -> None:
    results = load_comparison()
    assert Path(course.__file__).with_name("trained").joinpath("comparison.json").stat().st_size < 300_000
    assert set(results.curves) == set(results.costs) == set(results.scorecard.rows) == {"composition", *MODELS}
    assert {len(trainings) for curve in results.curves.values() for trainings in curve.values()} == {3}
    assert all(set(curve) == {30, 100, 300, 1000} for curve in results.curves.values())
    assert set(results.molecules) == set(ON_MOLECULES)
    assert all(len(row) == len(LAWS) for row in results.scorecard.rows.values())
    force = {name: table_row(curve[1000], torch.nn.Identity())["force_mae"] for name, curve in results.curves.items()}
    learners = ["BPNN, radial", "BPNN, radial + angular", "MPNN, T = 1", "MPNN, T = 2", "MPNN, T = 3"]
    assert all(force[name] < force["molecular mechanics"] for name in learners)
    assert force["MPNN, T = 3"] < force["MPNN, T = 2"] < force["MPNN, T = 1"] < force["MPNN, T = 0"]
