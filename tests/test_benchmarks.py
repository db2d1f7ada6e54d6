"""Every benchmark can be started: what it imports is there."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import benchmarks


def test_every_benchmark_can_be_imported() -> None:
    names = [m.name for m in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")]
    assert len(names) > 30
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
