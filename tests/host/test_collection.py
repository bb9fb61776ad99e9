# SPDX-License-Identifier: Apache-2.0
"""The collector of MicroPython tests: each function's own result, whatever becomes of the interpreter."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_SETTINGS = """
[pytest]
addopts = -p tests.micropython_plugin --import-mode=importlib
micropython_dirs = unit
micropython_timeout = 2
"""
# Stands in for mpremote: it answers what a board would be asked, and runs the code in the folder to mount.
_FAKE_MPREMOTE = """
import os, subprocess, sys
connect, port, *rest = sys.argv[1:]
assert connect == "connect" and port == "/dev/board"
if rest[:1] == ["mount"]:
    os.chdir(rest[1])
    rest = [*rest[2:-1], rest[-1].replace("/remote", rest[1])]
assert rest[0] == "exec"
mounted = "class RemoteCommand:\\n    begin = poll_in = lambda self: None\\n"  # what mount leaves on a board
sys.exit(subprocess.call([os.environ["BOARD"], "-c", mounted + rest[1]]))
"""

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Write one MicroPython test file, run pytest on it and return what pytest printed."""

    def run(source: str, *arguments: str, **environment: str) -> str:
        (tmp_path / "pytest.ini").write_text(_SETTINGS)
        (tmp_path / "unit").mkdir()
        (tmp_path / "unit" / "test_car.py").write_text(source)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *arguments, "unit"]
        environment = {
            **os.environ, "PYTHONPATH": str(_ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment,
        }  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    return run


def test_each_function_is_an_item_that_passes_or_fails_by_itself(run: Run) -> None:
    printed = run("def test_a():\n    pass\n\nasync def test_b():\n    pass\n\ndef test_c():\n    raise ValueError\n")
    assert "test_car.py::test_a PASSED" in printed
    assert "test_car.py::test_b PASSED" in printed
    assert "test_car.py::test_c FAILED" in printed
    assert "1 failed, 2 passed" in printed


def test_it_runs_under_micropython(run: Run) -> None:
    assert "1 passed" in run("import sys\n\ndef test_a():\n    assert sys.implementation.name == 'micropython'\n")


def test_a_failure_shows_its_traceback_with_file_line_and_source(run: Run) -> None:
    printed = run("def test_a():\n    print('before')\n    assert 1 == 2, 'not so'\n")
    assert 'unit/test_car.py", line 3, in test_a\n    assert 1 == 2' in printed
    assert "AssertionError: not so" in printed
    assert "Captured stdout call" in printed
    assert "before" in printed
    assert "runner.py" not in printed


def test_a_failure_in_an_async_test_shows_its_line(run: Run) -> None:
    printed = run("import asyncio\n\nasync def test_a():\n    await asyncio.sleep_ms(1)\n    raise OSError(5)\n")
    assert 'unit/test_car.py", line 5, in test_a' in printed
    assert "OSError" in printed


def test_a_hang_fails_the_test_that_hung_and_no_other(run: Run) -> None:
    printed = run(
        "def test_a():\n    pass\n\n"
        "def test_b():\n    print('waiting')\n    while True: pass\n\n"
        "def test_c():\n    pass\n"
    )
    assert "test_car.py::test_b FAILED" in printed
    assert "still running after 2 s" in printed
    assert "waiting" in printed
    assert "1 failed, 2 passed" in printed


def test_an_interpreter_that_dies_fails_the_test_that_ran_and_no_other(run: Run) -> None:
    printed = run("import os\n\ndef test_a():\n    os.system('kill -9 $PPID')\n\ndef test_b():\n    pass\n")
    assert "test_a has no result: the interpreter ended, with exit status -9" in printed
    assert "1 failed, 1 passed" in printed


def test_a_test_that_asks_to_exit_fails(run: Run) -> None:
    printed = run("import sys\n\ndef test_a():\n    sys.exit()\n\ndef test_b():\n    pass\n")
    assert "SystemExit" in printed
    assert "1 failed, 1 passed" in printed


def test_a_file_that_cannot_be_imported_fails_all_its_tests_with_the_traceback(run: Run) -> None:
    printed = run("import dataclasses\n\ndef test_a():\n    pass\n\ndef test_b():\n    pass\n")
    assert "no module named 'dataclasses'" in printed
    assert 'unit/test_car.py", line 1, in <module>' in printed
    assert "2 failed" in printed


def test_a_file_that_hangs_while_imported_fails(run: Run) -> None:
    printed = run("while True: pass\n\ndef test_a():\n    pass\n")
    assert "While test_car.py was imported: it was still running" in printed
    assert "1 failed" in printed


def test_a_syntax_error_is_reported_with_its_line(run: Run) -> None:
    printed = run("def test_a():\n    x = = 1\n")
    assert "test_car.py:2: invalid syntax" in printed
    assert "1 error" in printed


def test_syntax_that_only_the_board_lacks_fails_the_file(run: Run) -> None:
    printed = run("def test_a():\n    match 1:\n        case 1: pass\n")
    assert "SyntaxError" in printed
    assert "1 failed" in printed


def test_only_the_functions_asked_for_run(run: Run) -> None:
    printed = run("def test_a():\n    raise ValueError\n\ndef test_b():\n    print('b ran')\n", "-k", "test_b", "-s")
    assert "b ran" in printed
    assert "1 passed, 1 deselected" in printed


def test_a_skip_says_why(run: Run) -> None:
    printed = run("from runner import Skip\n\ndef test_a():\n    raise Skip('no flash image here')\n", "-rs")
    assert "no flash image here" in printed
    assert "1 skipped" in printed


def test_a_note_is_repeated_at_the_end(run: Run) -> None:
    printed = run("def test_a():\n    print('note: 3 vectors')\n")
    assert "test_car.py::test_a: 3 vectors" in printed


def test_an_interpreter_that_is_not_there_is_a_usage_error(run: Run) -> None:
    assert "no MicroPython interpreter at /nowhere" in run("def test_a(): pass\n", "--micropython", "/nowhere")


def test_a_board_runs_the_same_file_compiled_from_a_folder_that_mpremote_mounts(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mpremote.py").write_text(_FAKE_MPREMOTE)
    printed = run(
        "def test_a():\n    assert __file__.endswith('.mpy')\n    raise ValueError\n\ndef test_b(): pass\n",
        "--port", "/dev/board",
        PYTHONPATH=f"{tmp_path}{os.pathsep}{_ROOT}", BOARD=str(Path(sys.executable).parent / "micropython"),
    )  # fmt: skip
    assert 'test_car.py", line 3, in test_a' in printed
    assert "1 failed, 1 passed" in printed
