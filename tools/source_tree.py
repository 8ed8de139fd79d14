"""What the checks share: the files of the tree, their text without comments, and how to report."""

import argparse
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

CPP = (".h", ".cpp", ".def", ".cu", ".cuh")

_NOT_CODE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])+\'', re.S
)


@dataclass
class Finding:
    path: Path
    line: int
    text: str


def arguments(description: str, *extra: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    for name in extra:
        parser.add_argument(name, type=Path)
    return parser.parse_args()


def files(root: Path, suffixes: tuple[str, ...] = CPP) -> list[Path]:
    """Paths relative to root, without hidden folders and build output."""
    found = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [
            name
            for name in subfolders
            if not name.startswith((".", "__")) and name != "build"
        ]
        found += [Path(folder, name).relative_to(root) for name in names if name.endswith(suffixes)]
    return sorted(found)


def code(text: str) -> str:
    """The text with comments and literals blanked, so that offsets and line numbers still hold."""
    return _NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def report(check: str, errors: list[Finding], warnings: list[Finding] = ()) -> int:
    """Prints the findings as a compiler would. Returns the exit status of the check."""
    for kind, findings in (("warning", warnings), ("error", errors)):
        for finding in findings:
            place = f"{finding.path}:{finding.line}"
            print(f"{place}: {kind}: {finding.text} [{check}]", file=sys.stderr)
    return 1 if errors else 0
