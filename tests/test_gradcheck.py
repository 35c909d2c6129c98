"""The gradient check must pass what is right and, above all, fail what is wrong."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.differentiate import derivative

import minimalstyle
from minimalstyle import reference
from minimalstyle.gradcheck import __main__ as command
from minimalstyle.gradcheck import gradcheck
from minimalstyle.gradcheck.cases import cases


def smooth(x):
    weights = np.arange(x.size).reshape(x.shape)
    return np.sum(weights * np.sin(x)), weights * np.cos(x)


# --- The function --------------------------------------------------------------------------------


def test_numeric_derivatives_are_scipys(rng):
    x = rng.standard_normal((3, 4))
    result = gradcheck(smooth, x, samples=5, directions=0)
    for entry, numeric in zip(result.entries, result.numeric, strict=True):

        @np.vectorize
        def along(t, entry=entry):
            moved = x.copy()
            moved[entry] += t
            return smooth(moved)[0]

        assert numeric == pytest.approx(derivative(along, 0.0).df, rel=1e-6, abs=1e-8)


def test_right_gradient_passes(rng):
    result = gradcheck(smooth, rng.standard_normal((6, 7)), samples=10, directions=3)
    assert result.passed()
    assert result.relative_error < 1e-8
    assert result.analytic.shape == result.numeric.shape == (13,)
    assert len(set(result.entries)) == 10


@pytest.mark.parametrize(
    "damage",
    [
        lambda g: 1.0001 * g,
        lambda g: -g,
        lambda g: g.T,
        lambda g: np.roll(g, 1, axis=0),
        lambda g: g + 1e-3,
        np.zeros_like,
    ],
)
def test_wrong_gradient_fails(damage, rng):
    x = rng.standard_normal((6, 6))
    assert not gradcheck(lambda x: (smooth(x)[0], damage(smooth(x)[1])), x).passed()


def test_an_error_at_one_entry_is_seen_by_the_directions(rng):
    x = rng.standard_normal(10_000)

    def f(x):
        gradient = 2 * x
        gradient[1234] += 5
        return np.sum(x**2), gradient

    result = gradcheck(f, x, samples=1)
    assert result.entries != ((1234,),)
    assert not result.passed()
    assert result.worst > 0


def test_error_is_relative_to_the_larger():
    result = gradcheck(lambda x: (3 * x.sum(), np.ones(2)), np.ones(2), directions=0)
    assert result.relative_error == pytest.approx(2 / 3)
    assert gradcheck(lambda x: (1.0, np.zeros(2)), np.zeros(2)).relative_error == 0


def test_all_entries_of_a_small_x():
    result = gradcheck(lambda x: (x**2, 2 * x), 3.0, samples=32, directions=0)
    assert result.entries == ((),)
    assert result.passed()


def test_step_is_relative_to_x():
    for scale in (1e-6, 1.0, 1e6):
        x = scale * np.linspace(1, 2, 9)
        assert gradcheck(lambda x: (np.sum(x**3), 3 * x**2), x).passed()


def test_x_is_left_alone_and_a_reused_buffer_is_no_trap(rng):
    x = rng.standard_normal(5)
    before = x.copy()
    buffer = np.empty(5)

    def f(x):
        buffer[:] = 2 * x
        value = np.sum(x**2)
        x[:] = 0
        return value, buffer

    assert gradcheck(f, x).passed()
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(
    ("f", "x", "options", "message"),
    [
        (lambda x: (0.0, x), [], {}, "nothing to differentiate"),
        (lambda x: (0.0, x), [1, np.nan], {}, "x contains NaN"),
        (lambda x: (0.0, x[1:]), [1, 2], {}, r"gradient of shape \(1,\) for x of shape \(2,\)"),
        (lambda x: (0.0, x / [1, 0]), [0, 1], {}, "1 of 2 values not finite"),
        (lambda x: (x, x), [1, 2], {}, r"value of shape \(2,\)"),
        (lambda x: (np.inf, x), [1, 2], {}, "value inf"),
        (lambda x: x, [1, 2], {}, "pair"),
        (lambda x: (0.0, x), [1, 2], {"step": 0}, "step=0"),
        (lambda x: (0.0, x), [1, 2], {"samples": 0, "directions": 0}, "nothing to compare"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_input_is_named(f, x, options, message):
    with pytest.raises(ValueError, match=message):
        gradcheck(f, x, **options)


def test_the_package_offers_the_function_not_the_module_of_that_name():
    assert minimalstyle.gradcheck is gradcheck  # though the module has been imported above


# --- The command ---------------------------------------------------------------------------------


def verdicts(output):
    return {
        line.split()[0]: line.split()[-1]
        for line in output.splitlines()
        if line.endswith((" ok", " WRONG"))
    }


def test_table_is_all_right_in_a_fresh_process():
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "minimalstyle.gradcheck"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = verdicts(result.stdout)
    assert list(found) == list(cases(4))
    assert set(found.values()) == {"ok"}
    assert result.stderr == ""


@pytest.mark.parametrize("size", [4, 5, 13])
@pytest.mark.parametrize("seed", [0, 1])
def test_sizes_and_seeds(size, seed, capsys):
    assert command.main(["--size", str(size), "--seed", str(seed)]) == 0
    assert "WRONG" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        ("conv", {"conv3x3", "objective"}),  # a 1x1 filter has nothing to flip
        ("pool", {"maxpool", "objective"}),
        ("gram", {"gram", "style", "objective"}),
    ],
)
def test_faults_are_caught(fault, wrong, capsys):
    before = dict(vars(reference))
    assert command.main(["--break", fault, "--size", "9"]) == 1
    output = capsys.readouterr().out
    assert {name for name, verdict in verdicts(output).items() if verdict == "WRONG"} == wrong
    assert "broken on purpose" in output
    assert dict(vars(reference)) == before


def test_a_function_that_is_wrong_with_its_gradient_passes(capsys):
    """The limit of a gradient check, which the command owns up to; a value from elsewhere tells."""
    F = np.random.default_rng(1).uniform(size=(4, 5, 3))
    defined = np.einsum("hwa,hwb->ab", F, F) / 20
    with command.broken("mean"):
        assert not np.allclose(reference.gram(F), defined)
    np.testing.assert_allclose(reference.gram(F), defined)
    assert command.main(["--break", "mean", "--size", "9"]) == 0
    output = capsys.readouterr().out
    assert set(verdicts(output).values()) == {"ok"}
    assert "only a value\nfrom elsewhere can say" in output
    assert "6 times as much" in output  # F has six rows


def test_chosen_layers_only(capsys):
    assert command.main(["--layer", "tv", "--layer", "relu", "--size", "6"]) == 0
    assert list(verdicts(capsys.readouterr().out)) == ["tv", "relu"]


def test_a_coarse_step_is_off(capsys):
    assert command.main(["--layer", "style", "--step", "0.5"]) == 1
    assert verdicts(capsys.readouterr().out) == {"style": "WRONG"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--size", "3"],
        ["--size", "1000"],
        ["--seed", "-1"],
        ["--step", "0"],
        ["--step", "nan"],
        ["--layer", "relu9"],
        ["--break", "everything"],
    ],
)
def test_bad_options(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_plot(tmp_path, capsys):
    path = tmp_path / "v.png"
    assert command.main(["--layer", "style", "--size", "4", "--plot", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    nowhere = tmp_path / "missing" / "v.png"
    assert command.main(["--layer", "style", "--size", "4", "--plot", str(nowhere)]) == 5
    assert "cannot write the plot" in capsys.readouterr().err


def test_each_curve_has_a_look_of_its_own():
    (axes,) = command.curves(cases(4)).axes
    _, labels = axes.get_legend_handles_labels()
    named = [line for line in axes.lines if line.get_label() in labels]
    assert labels == list(cases(4))
    assert len({str(line.get_color()) for line in named}) == len(labels)
    assert len({line.get_marker() for line in named}) == len(labels)


def test_plot_without_matplotlib(monkeypatch, capsys):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stop:
        command.main(["--plot", "v.png"])
    assert stop.value.code == 2
    assert "minimalstyle[plot]" in capsys.readouterr().err
