#!/usr/bin/env python3
"""Fails when an elementwise operation is named in more than two files: its declaration in
ops/<family>.h and its derivative in ops/<family>.cpp. Everything else is derived from the list."""

import re
import sys
from pathlib import Path

from source_tree import Finding, arguments, code, files, report

FAMILIES = ("unary", "elementary", "binary", "ternary")
MAX_FILES = 2

# These layers cannot see a declaration, and math/ shares names such as Add with Highway.
BLIND = {"base", "math", "runtime"}

ROW = re.compile(r"\bX\(\s*(\w+)\s*,\s*(\w+)")


def elementwise_ops(root: Path) -> dict[str, Path]:
    """Struct name of each elementwise operation → the header that lists it."""
    found = {}
    for family in FAMILIES:
        path = Path("src/tarn/ops") / f"{family}.h"
        if (root / path).is_file():
            found |= {match[2]: path for match in ROW.finditer(code((root / path).read_text()))}
    return found


def main() -> int:
    root = arguments(__doc__).root
    ops = elementwise_ops(root)
    places: dict[str, list[Path]] = {name: [] for name in ops}
    for path in files(root):
        if path.parts[0] not in ("src", "cli", "python", "compat") or BLIND & set(path.parts):
            continue
        for word in set(re.findall(r"(?<![\w:])(?:ops::)?(\w+)", code((root / path).read_text()))):
            if word in places:
                places[word].append(path)
    findings = [
        Finding(ops[name], 1, f"{name} is named in {len(paths)} files: {' '.join(map(str, paths))}")
        for name, paths in sorted(places.items())
        if len(paths) > MAX_FILES
    ]
    return report("op_cost", findings)


if __name__ == "__main__":
    sys.exit(main())
