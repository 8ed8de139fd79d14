#!/usr/bin/env python3
"""Fails on a file or folder named after no thing: if no name fits, the code has no home yet."""

import re
import sys

from source_tree import Finding, arguments, files, report

NAMELESS = {"util", "utils", "common", "helper", "helpers", "misc", "manager", "impl"}


def main() -> int:
    findings = [
        Finding(path, 1, f"'{word}' says nothing about what is inside")
        for path in files(arguments(__doc__).root, ("",))
        for word in sorted(NAMELESS & set(re.split(r"[^a-z]+", str(path).lower())))
    ]
    return report("names", findings)


if __name__ == "__main__":
    sys.exit(main())
