# SPDX-License-Identifier: Apache-2.0
"""The firmware build: what a board loads is what the sources say, and no more."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from host_tools.build import boards, compiling, firmware, size, stage, staging

_MICROPYTHON = Path(sys.executable).parent / "micropython"
_VIPER = """
import micropython

@micropython.viper
def total(data: ptr8, size: int) -> int:
    result = 0
    for i in range(size):
        result += data[i]
    return result
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A small firmware."""
    root = tmp_path / "sources"
    (root / "latchkey").mkdir(parents=True)
    (root / "main.py").write_text("import latchkey.car\n")
    (root / "latchkey" / "__init__.py").write_text('"""A car."""\n')
    (root / "latchkey" / "link").mkdir()
    (root / "latchkey" / "link" / "requests.py").write_text("def answer():\n    pass\n")
    (root / "latchkey" / "car.py").write_text("def doors():\n    return 4\n")
    (root / "latchkey" / "bench").mkdir()
    (root / "latchkey" / "bench" / "operations.py").write_text("def tap():\n    pass\n")
    return root


def _names(files: list[Path], out: Path) -> list[str]:
    return sorted(file.relative_to(out).as_posix() for file in files)


def _run(out: Path, code: str) -> str:
    code = f"import sys; sys.path[:1] = [{str(out)!r}]; {code}"
    return subprocess.run([_MICROPYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_modules_are_compiled_and_entry_points_stay_source(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    files = compiling.build(out, None, sources=sources)
    assert _names(files, out) == [
        "latchkey/bench/operations.mpy",
        "latchkey/car.mpy",
        "latchkey/link/requests.mpy",
        "main.py",
    ]
    assert all(file.exists() for file in files)
    assert _run(out, "from latchkey import car; print(car.doors())") == "4"


def test_native_code_for_this_machine_runs_in_the_unix_port(sources: Path, tmp_path: Path) -> None:
    (sources / "latchkey" / "fast.py").write_text(_VIPER)
    compiling.build(tmp_path / "out", "x64", sources=sources)
    assert _run(tmp_path / "out", "from latchkey import fast; print(fast.total(bytes(range(5)), 5))") == "10"


def test_without_a_processor_native_code_is_left_out(sources: Path, tmp_path: Path) -> None:
    (sources / "latchkey" / "fast.py").write_text(_VIPER)
    assert not any("fast" in name for name in _names(compiling.build(tmp_path, None, sources=sources), tmp_path))


def test_the_whole_firmware_is_there_for_an_interpreter_without_native_code(tmp_path: Path) -> None:
    native, plain = (set(size.sizes(march)) for march in ("xtensawin", None))
    assert native - plain == {"latchkey/crypto/ghash.mpy", "latchkey/crypto/field.mpy"}
    compiling.build(tmp_path, None, sources=staging.staged())  # in words
    code = "from latchkey.crypto import base; print(base.ghash.__globals__['__name__'])"
    assert _run(tmp_path, code) == "latchkey.crypto.ghash_plain"
    code = "from latchkey.crypto import p256, points_plain; print(p256.walk is points_plain.walk)"
    assert _run(tmp_path, code) == "True"


def test_a_package_that_says_nothing_is_a_folder(sources: Path, tmp_path: Path) -> None:
    package = sources / "latchkey" / "__init__.py"
    cases = {"# A remark\n\n": False, '# One\n"""Two.\n\nThree.\n"""\n': False, '"""A car."""\nDOORS = 4\n': True}
    for text, kept in cases.items():
        package.write_text(text)
        files = compiling.build(tmp_path / "out", None, sources=sources)
        assert ("latchkey/__init__.mpy" in _names(files, tmp_path / "out")) == kept
        assert _run(tmp_path / "out", "from latchkey import car; print(car.doors())") == "4"


@pytest.mark.parametrize("march", ["xtensawin", "rv32imc"])
def test_native_code_compiles_for_the_boards(march: str, sources: Path, tmp_path: Path) -> None:
    (sources / "latchkey" / "fast.py").write_text(_VIPER)
    assert tmp_path / "out" / "latchkey" / "fast.mpy" in compiling.build(tmp_path / "out", march, sources=sources)


def test_a_production_build_has_no_bench_even_over_one_that_had(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compiling.build(out, None, sources=sources)
    files = compiling.build(out, None, production=True, sources=sources)
    assert _names(files, out) == ["latchkey/car.mpy", "main.py"]
    assert not (out / "latchkey" / "bench" / "operations.mpy").exists()


def test_only_what_changed_is_compiled_again(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compiling.build(out, None, sources=sources)
    before = {file: file.stat().st_ino for file in out.rglob("*.mpy")}
    (sources / "latchkey" / "car.py").write_text("def doors():\n    return 5\n")
    compiling.build(out, None, sources=sources)
    changed = [file.name for file, inode in before.items() if file.stat().st_ino != inode]
    assert changed == ["car.mpy"]
    assert _run(out, "from latchkey import car; print(car.doors())") == "5"


def test_another_processor_compiles_all_again(sources: Path, tmp_path: Path) -> None:
    (sources / "latchkey" / "fast.py").write_text(_VIPER)
    fast = tmp_path / "out" / "latchkey" / "fast.mpy"
    compiling.build(tmp_path / "out", "x64", sources=sources)
    before = fast.read_bytes()
    compiling.build(tmp_path / "out", "xtensawin", sources=sources)
    assert fast.read_bytes() != before


def test_an_output_without_a_source_is_removed(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compiling.build(out, None, sources=sources)
    (sources / "latchkey" / "car.py").unlink()
    (sources / "main.py").unlink()
    compiling.build(out, None, sources=sources)
    assert not (out / "latchkey" / "car.mpy").exists()
    assert not (out / "main.py").exists()


def test_a_build_that_is_killed_leaves_nothing_that_passes_for_another(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, car = tmp_path / "out", sources / "latchkey" / "car.py"
    compiling.build(out, None, sources=sources)
    before = car.read_text()
    car.write_text("def doors():\n    return 5\n")
    with monkeypatch.context() as patch:
        patch.setattr(compiling, "replace", killed)  # before what was made can be written down
        with pytest.raises(KeyboardInterrupt):
            compiling.build(out, None, sources=sources)
    car.write_text(before)
    compiling.build(out, None, sources=sources)
    assert _run(out, "from latchkey import car; print(car.doors())") == "4"


def killed(path: Path, content: bytes) -> None:
    raise KeyboardInterrupt


def test_a_module_that_does_not_compile_is_named_and_not_left_as_it_was(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compiling.build(out, None, sources=sources)
    (sources / "latchkey" / "car.py").write_text("def doors():\n    return = 5\n")
    with pytest.raises(staging.CompileError, match=r"car\.py:2"):
        compiling.build(out, None, sources=sources)
    (sources / "latchkey" / "car.py").write_text("match 1:\n    case 1: pass\n")  # CPython's syntax only
    with pytest.raises(staging.CompileError, match=r"car\.py"):
        compiling.build(out, None, sources=sources)


def test_lines_for_the_type_checker_cost_nothing_and_move_no_other_line() -> None:
    text = "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from a import (\n        B,\n    )\n\ndef f(b: 'B'): ...\n"
    assert stage.stage(text, {}) == "\n\n\n\n\n\ndef f(b: 'B'): ...\n"


def test_a_traceback_on_the_board_names_the_module_and_the_line_of_its_source(sources: Path, tmp_path: Path) -> None:
    (sources / "latchkey" / "car.py").write_text(
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import typing\n\ndef doors():\n    raise ValueError\n"
    )
    compiling.build(tmp_path / "out", None, sources=sources)
    code = "from latchkey import car\ntry: car.doors()\nexcept ValueError as e: sys.print_exception(e, sys.stdout)"
    assert 'File "latchkey/car.py", line 6, in doors' in _run(tmp_path / "out", f"pass\n{code}")


def test_a_small_build_has_no_line_numbers_and_no_paths(sources: Path, tmp_path: Path) -> None:
    (sources / "latchkey" / "car.py").write_text("def doors():\n    raise ValueError\n")
    code = "pass\nfrom latchkey import car\ntry: car.doors()\nexcept ValueError as error:\n"
    code += "  sys.print_exception(error, sys.stdout)"
    compiling.build(tmp_path / "out", None, sources=sources)
    assert "latchkey/car.py" in _run(tmp_path / "out", code)
    compiling.build(tmp_path / "out", None, sources=sources, small=True)  # over the other one
    assert 'File "car", line 1, in doors' in _run(tmp_path / "out", code)


@pytest.mark.parametrize("production", [False, True])
def test_a_board_loads_its_own_pins_and_a_bench_only_before_production(
    production: bool, sources: Path, tmp_path: Path
) -> None:
    source = tmp_path / "board.py"
    source.write_text("NAME = 'ONE'\n")
    board = boards.Board("ONE", "ESP32", "x64", "uart", 240, source)
    files = firmware.for_board(board, production, sources, tmp_path / "out")
    for name, file in files.items():
        (tmp_path / "board" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "board" / name).write_bytes(file.read_bytes())
    assert _run(tmp_path / "board", "import board; print(board.NAME)") == "ONE"
    bench = {"latchkey/bench/operations.mpy", "latchkey/link/requests.mpy"}
    assert set(files) == {"main.py", "board.mpy", "latchkey/car.mpy"} | (set() if production else bench)


def test_sizes_count_compiled_modules_only(sources: Path) -> None:
    sizes = size.sizes(sources=sources)
    assert sorted(sizes) == ["latchkey/bench/operations.mpy", "latchkey/car.mpy", "latchkey/link/requests.mpy"]
    assert "latchkey/bench/operations.mpy" not in size.sizes(production=True, sources=sources)


def test_the_size_report_fails_over_the_budget(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {"latchkey/bench/operations.mpy": size.BENCH_BUDGET, "latchkey/car.mpy": size.BUDGET}
    tighter = {**sizes}
    monkeypatch.setattr(size, "sizes", lambda march: tighter if march == "rv32imc" else sizes)
    assert size.main() == 0
    tighter["latchkey/car.mpy"] += 1  # for one kind of board is enough
    assert size.main() == 1
    assert "all on the road: over the budget by 1 bytes (rv32imc)" in capsys.readouterr().err
    tighter["latchkey/car.mpy"] -= 1
    tighter["latchkey/bench/operations.mpy"] += 1
    assert size.main() == 1
    assert "the bench beside it: over the budget by 1 bytes (rv32imc)" in capsys.readouterr().err


def test_the_firmware_fits_its_budget(record_property: Callable[[str, object], None]) -> None:
    totals = {march: size.totals(size.sizes(march)) for march in compiling.BOARD_MARCHES}
    record_property(
        "note", f"(on the road, bench): {totals} bytes of at most {size.BUDGET:,} and {size.BENCH_BUDGET:,}"
    )
    for road, bench in totals.values():
        assert road <= size.BUDGET
        assert bench <= size.BENCH_BUDGET
