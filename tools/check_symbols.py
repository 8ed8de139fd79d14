#!/usr/bin/env python3
"""Fails on a weak function outside an instruction set's namespace in the objects built for it.

The linker keeps one copy of a weak function. Were it the copy built with AVX-512, a processor
without it would die in code that never asked for it."""

import json
import re
import subprocess
import sys
from pathlib import Path

from source_tree import Finding, arguments, report

# Highway names the namespaces; clang's own function is a bare call of std::terminate.
HARMLESS = re.compile(r"\bN_AVX\w+|__clang_call_terminate")


def kernel_objects(build: Path) -> list[Path]:
    entries = json.loads((build / "compile_commands.json").read_text())
    outputs = (re.search(r" -o (\S+/tarn_kernels_\S+\.o) ", entry["command"]) for entry in entries)
    return sorted(build / output[1] for output in outputs if output)


def weak_functions(obj: Path) -> list[str]:
    command = ["nm", "--demangle", "--defined-only", str(obj)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = (line.split(maxsplit=2) for line in lines)
    return [row[2] for row in rows if len(row) == 3 and row[1] == "W"]


def main() -> int:
    build = arguments(__doc__, "build").build
    findings = [
        Finding(obj.relative_to(build), 1, f"weak function outside its namespace: {function}")
        for obj in kernel_objects(build)
        for function in weak_functions(obj)
        if not HARMLESS.search(function)
    ]
    return report("symbols", findings)


if __name__ == "__main__":
    sys.exit(main())
