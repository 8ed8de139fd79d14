#!/usr/bin/env python3
"""Fails on a header that does not compile by itself, with the flags its folder is built with.
A header that is the first #include of a source file is skipped: the build proves that it names what
it needs of ours, and not what is precompiled. Those that users include must pass clang, too."""

import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from source_tree import Finding, arguments, files, report

USERS_HEADER = Path("src/tarn/tarn.h")
CLANG = ["clang++", "-std=c++20", "-Wall", "-Wextra", "-Werror"]
FIRST_INCLUDE = re.compile(r'^#include "([^"]+)"', re.M)


def flags_by_folder(build: Path) -> dict[Path, list[str]]:
    """Source folder → the compiler and the flags its first file is built with."""
    folders = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        while not re.search(r"(\+\+|g?cc|clang)(-[\d.]+)?$", words[0]):
            words.pop(0)
        kept, skip = [], False
        for word in words[: words.index("-o")]:
            if skip:
                skip = False
            elif word in ("-MF", "-MT", "-include", "-include-pch"):
                skip = True
            elif word not in ("-MD", "-c", "-Xclang", "-Winvalid-pch"):
                kept.append(word)
        folders.setdefault(Path(entry["file"]).parent, kept)
    return folders


def proved_by_build(root: Path) -> set[str]:
    firsts = (FIRST_INCLUDE.search((root / path).read_text()) for path in files(root, (".cpp",)))
    return {first[1] for first in firsts if first}


def compiles(root: Path, header: Path, flags: list[str]) -> Finding | None:
    # Through a file that includes it, since `#pragma once` in a main file is a warning.
    unit = f'#include "{root / header}"\n'
    result = subprocess.run(
        [*flags, "-fsyntax-only", "-x", "c++", "-"], input=unit, capture_output=True, text=True
    )
    if result.returncode == 0:
        return None
    first = next((line for line in result.stderr.splitlines() if "error" in line), result.stderr)
    return Finding(header, 1, f"does not compile by itself: {first}")


def main() -> int:
    options = arguments(__doc__, "build")
    root = options.root
    folders = flags_by_folder(options.build)
    library = folders[root / "src/tarn/base"]
    proved = proved_by_build(root)
    headers = [
        path
        for path in files(root, (".h",))
        if path.parts[0] in ("src", "cli", "tests") and str(path).removeprefix("src/") not in proved
    ]
    units = [(path, folders.get((root / path).parent, library)) for path in headers]
    if (root / USERS_HEADER).exists():
        units.append((USERS_HEADER, [*CLANG, f"-I{root / 'src'}"]))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda unit: compiles(root, *unit), units)
        return report("headers", [finding for finding in results if finding])


if __name__ == "__main__":
    sys.exit(main())
