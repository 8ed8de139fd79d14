#!/usr/bin/env python3
"""Fails on files past 800 lines and lines past 100 columns; warns of headers past 400 lines and of
functions far past 60."""

import re
import sys
from pathlib import Path

from source_tree import CPP, Finding, arguments, code, files, line_of, report

MAX_FILE, MAX_COLUMNS = 800, 100
WARN_HEADER, WARN_FUNCTION = 400, 90

# A block that opens after a closing parenthesis and is not one of these is a function's body.
CONTROL = re.compile(r"\b(if|for|while|switch|catch|namespace|class|struct|enum|union)\b")


def long_functions(path: Path, text: str) -> list[Finding]:
    """Functions are told by their braces alone: good enough for a warning."""
    findings, blocks, head = [], [], 0
    text = code(text)
    for match in re.finditer(r"[{};]", text):
        if match[0] == "{":
            opener = text[head : match.start()]
            in_function = any(start is not None for start in blocks)
            is_function = ")" in opener and not CONTROL.search(opener) and not in_function
            blocks.append(match.start() if is_function else None)
        elif match[0] == "}" and blocks:
            start = blocks.pop()
            if start is not None:
                length = text.count("\n", start, match.start()) + 1
                if length > WARN_FUNCTION:
                    findings.append(
                        Finding(path, line_of(text, start), f"a function of {length} lines")
                    )
        head = match.end()
    return findings


def main() -> int:
    root = arguments(__doc__).root
    errors, warnings = [], []
    for path in files(root, (*CPP, ".py", ".txt", ".cmake")):
        text = (root / path).read_text()
        lines = text.splitlines()
        if len(lines) > MAX_FILE:
            errors.append(Finding(path, MAX_FILE, f"{len(lines)} lines: split by meaning"))
        elif path.suffix == ".h" and len(lines) > WARN_HEADER:
            warnings.append(Finding(path, WARN_HEADER, f"a header of {len(lines)} lines"))
        wide = [number for number, line in enumerate(lines, 1) if len(line) > MAX_COLUMNS]
        if wide:
            message = f"{len(wide)} lines past {MAX_COLUMNS} columns (try `make format`)"
            errors.append(Finding(path, wide[0], message))
        if path.suffix in CPP:
            warnings += long_functions(path, text)
    return report("sizes", errors, warnings)


if __name__ == "__main__":
    sys.exit(main())
