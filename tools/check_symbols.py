#!/usr/bin/env python3
"""Fails on a weak symbol outside an instruction set's namespace in the objects built for it.

The linker keeps one copy of a weak symbol. Were it the copy built with AVX-512, a processor without
it would die in code that never asked for it."""

import re
import subprocess
import sys
from pathlib import Path

from source_tree import Finding, arguments, report

# Highway names the namespaces; the personality routine's reference is data; clang's is a bare call
# of std::terminate.
HARMLESS = re.compile(r"\bN_AVX\w+|DW\.ref\.__gxx_personality_v0|__clang_call_terminate")


def weak_symbols(obj: Path) -> list[str]:
    command = ["nm", "--demangle", "--defined-only", str(obj)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = (line.split(maxsplit=2) for line in lines)
    return [row[2] for row in rows if len(row) == 3 and row[1] in "WVwvu"]


def main() -> int:
    options = arguments(__doc__, "build")
    objects = sorted(options.build.glob("src/tarn/CMakeFiles/tarn_kernels_*.dir/**/*.o"))
    findings = [
        Finding(obj.relative_to(options.build), 1, f"weak symbol outside its namespace: {symbol}")
        for obj in objects
        for symbol in weak_symbols(obj)
        if not HARMLESS.search(symbol)
    ]
    return report("symbols", findings)


if __name__ == "__main__":
    sys.exit(main())
