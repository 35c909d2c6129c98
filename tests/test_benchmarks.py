"""The benchmarks must not rot: each runs here at a toy size, without PyTorch."""

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    """`benchmark(name)` imports a script of `benchmarks/`."""
    path = list(sys.path)
    monkeypatch.setattr(sys, "path", [str(FOLDER), *path])
    yield importlib.import_module
    for name, module in list(
        sys.modules.items()
    ):  # names as plain as `engine` are not ours to keep
        if Path(getattr(module, "__file__", None) or "").parent == FOLDER:
            del sys.modules[name]


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)


def numbers(value):
    """Every number in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for one in value for number in numbers(one)]
    return [value] if isinstance(value, (int, float)) and not isinstance(value, bool) else []


def run(module, file, *arguments):
    """Run a script's `main`; what it wrote as JSON."""
    module.main([*arguments, "--json", str(file)])
    result = json.loads(file.read_text())
    assert result["machine"]["cores"] >= 1
    assert all(math.isfinite(number) for number in numbers(result))
    return result


def test_engine(benchmark, no_torch, tmp_path, capsys):
    arguments = ("32", "--rounds", "1", "--iterations", "2", "--threads", "2")
    result = run(benchmark("engine"), tmp_path / "engine.json", *arguments)
    (one,) = result["evaluations"]
    assert one["size"] == 32
    assert one["ours"]["seconds"]["median"] > 0
    assert one["ours"]["loss"] > 0
    assert one["share_of_peak"] > 0
    assert result["peak_flops"] > 0
    assert result["threads_against_one"]["same_bits"]
    assert result["start"]["seconds"]["median"] > 0
    assert 0 < result["optimiser"]["share"] < 1
    assert "pip install torch" in capsys.readouterr().out


def test_layers(benchmark, tmp_path, capsys):
    result = run(benchmark("layers"), tmp_path / "layers.json", "32", "--rounds", "2")
    rows = result["layers"]
    assert all(row["seconds"] > 0 for row in rows)
    convolutions = [f"conv{block}_{i}" for block, n in enumerate((2, 2, 4, 4), 1)
                    for i in range(1, n + 1)] + ["conv5_1"]  # fmt: skip
    for phase, expected in (("forward", convolutions), ("backward", convolutions[::-1])):
        named = [row["layer"] for row in rows if row["phase"] == phase and row["flops"]]
        assert list(dict.fromkeys(n for n in named if n.startswith("conv"))) == expected
    assert "conv4_4" in capsys.readouterr().out


def test_scaling(benchmark, tmp_path, capsys):
    arguments = ("32", "48", "--rounds", "1", "--threads", "1")
    result = run(benchmark("scaling"), tmp_path / "scaling.json", *arguments)
    assert [point["size"] for point in result["points"]] == [32, 48]
    assert all(point["seconds"]["median"] > 0 for point in result["points"])
    assert "time_exponent" in result["fits"][0]
    assert "pixels^" in capsys.readouterr().out


def test_exponent_of_a_power(benchmark):
    pixels = [256**2, 512**2, 1024**2]
    assert benchmark("scaling").exponent(pixels, [3.0 * n**1.25 for n in pixels]) == pytest.approx(
        1.25
    )


def test_time_to_loss(benchmark, no_torch, tmp_path, capsys):
    arguments = ("--size", "32", "--iterations", "2")
    result = run(benchmark("time_to_loss"), tmp_path / "loss.json", *arguments)
    assert len({run["loss"] for run in result["ours"]}) == len(result["ours"]) == 3
    ours = result["ours"][0]
    assert len(ours["seconds"]) == len(ours["losses"]) == 2
    assert ours["losses"][-1] == pytest.approx(ours["loss"], rel=0.05)  # of 8 bits a value
    assert result["speedup"] is None
    assert "pip install torch" in capsys.readouterr().out


def test_plot(benchmark, tmp_path, capsys):
    ours = {
        "seconds": [1.0, 2.0],
        "losses": [3.0, 2.0],
        "loss": 2.0,
        "total": 2.0,
    }
    ours |= {"width": 48, "height": 32, "evaluations": [1, 1]}
    torch = {"seconds": [4.0, 8.0], "losses": [3.0, 2.0], "reached": 8.0, "layout": "nchw"}
    machine = {"processor": "any", "cores": 2, "system": "any", "versions": {}}
    result = {"machine": machine, "ours": [ours], "torch": [torch]}
    result |= {"our_seconds": 2.0, "torch_seconds": 8.0, "speedup": 4.0, "ratios": [4.0]}
    file, picture = tmp_path / "loss.json", tmp_path / "loss.png"
    file.write_text(json.dumps(result))
    benchmark("time_to_loss").main(["--from", str(file), "--plot", str(picture)])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "4.00" in capsys.readouterr().out


def test_pytorch_side_says_what_is_missing(benchmark, no_torch):
    side = benchmark("pytorch_side")
    assert not side.available()
    with pytest.raises(SystemExit, match="pip install torch"):
        side.PytorchObjective(None, content=np.zeros(0), style=np.zeros(0))


def test_batch(benchmark, tmp_path, capsys):
    """Whose ways make the same pictures, byte for byte, or it ends."""
    arguments = ("32", "--pictures", "2", "--workers", "1", "2", "--iterations", "2")
    result = run(benchmark("batch"), tmp_path / "batch.json", *arguments)
    assert [one["workers"] for one in result["points"]] == [0, 1, 2]
    assert all(one["seconds"] > 0 and one["cpu_seconds"] > 0 for one in result["points"])
    assert "pictures/h" in capsys.readouterr().out


def test_peak(benchmark):
    assert benchmark("peak").peak_flops(1, rounds=1, steps=10) > 0


def test_memory_is_that_of_the_process_alone(benchmark):
    """A process that does nothing must not report the peak of the process that started it."""
    own = benchmark("common").peak_memory()
    if own is None or not Path("/proc/self/status").exists():
        pytest.skip("nobody tells")
    program = f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import common; "
    program += "print(common.peak_memory())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert 0 < int(done.stdout) < own


def test_arithmetic(benchmark):
    """VGG-19 to relu5_1 by hand: 13 convolutions, F(4x4) but for the first."""
    from minimalstyle.network.onnx_io import load_vgg

    common = benchmark("common")
    convolutions = common.convolutions(load_vgg(), 64, 32)
    assert len(convolutions) == 13
    assert convolutions[0] == ("conv1_1", "relu1_1", 64 * 32, 3, 64)
    assert convolutions[-1] == ("conv5_1", "relu5_1", 4 * 2, 512, 512)


def test_each_page_has_the_table_of_the_results(benchmark):
    table = benchmark("table")
    assert all(page.read_text(encoding="utf-8") == table.filled(page) for page in table.PAGES)
    results = json.loads(max(table.ROOT.glob("benchmarks/results/*zen4.json")).read_text())
    first = results["evaluations"][0]
    row = f"| {first['ours']['seconds']['median']:.2f} s, {first['speedup']:.1f} times |"
    assert f"| Zen 4 (AVX-512) {row}" in table.table()


def test_print(benchmark, tmp_path):
    """In one piece and in bands: with a bound that no run keeps."""
    module = benchmark("print")
    few = ["0.05", "0.1", "--rounds", "1", "--memory", "100M"]
    result = run(module, tmp_path / "print.json", *few)
    for whole, bands in zip(*result["points"].values(), strict=True):
        assert whole["bands"] == 1 < bands["bands"]
        assert whole["megapixels"] == bands["megapixels"]
        for one in (whole, bands):
            assert 0.6 < one["peak_memory"] / one["planned"] < 1.3
    assert set(result["exponents"]) == {"whole", "bounded"}
    picture = tmp_path / "print.svg"
    module.main(["--from", str(tmp_path / "print.json"), "--plot", str(picture)])
    assert "<svg" in picture.read_text()


def test_exponents(benchmark):
    """Of points on curves that are known; those that are not in bands do not count among them."""
    found = [
        {"megapixels": m, "bands": n, "seconds": 3 * m**1.1, "cpu_seconds": m, "peak_memory": 7}
        for m, n in ((1, 1), (2, 2), (4, 9), (8, 17))
    ]
    found[0]["seconds"] = 1000.0
    made = benchmark("print").exponents("bounded", found)
    assert made == pytest.approx({"seconds": 1.1, "cpu_seconds": 1.0, "peak_memory": 0.0}, abs=1e-6)
    assert benchmark("print").exponents("bounded", found[:2]) == {}
