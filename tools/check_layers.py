#!/usr/bin/env python3
"""Fails on an #include that the layers do not allow. The table below is the layer diagram of
docs/architecture.md: a layer may include itself and what its row lists."""

import re
import sys
from pathlib import Path

from source_tree import CPP, Finding, arguments, code, files, line_of, report

# Three layers share the folder ops/: "op" is what graph knows of operations, "ops" declares them,
# and "functions" is what needs arrays: the rule bodies and the public functions.
ALLOWED = {
    "base": "",
    "math": "base",
    "runtime": "base",
    "op": "base ops",
    "ops": "base math op",
    "graph": "base runtime op",
    "functions": "base math runtime op ops graph",
    "kernels": "base math op ops",
    "backends": "base math runtime op ops kernels",
    "transforms": "base runtime op ops graph functions",
    "io": "base runtime op ops graph functions",
    "umbrella": "base runtime op ops graph functions transforms io",
    "composition": "base runtime backends",
    "cli": "base runtime op ops graph functions transforms io umbrella",
}

OP_HEADERS = {"op.h", "op_info.h", "elementwise_op.h", "tile_program.h"}
FUNCTION_HEADERS = {"build.h", "functions.h", "index_arguments.h"}

# Slow to compile or with global state, so kept out of what everything else is built on.
LOW_LAYERS = {"base", "math", "runtime", "kernels"}
NOT_IN_LOW_LAYERS = {"iostream", "regex", "sstream"}

# The standard library and POSIX are all that a user of the installed headers must have.
THIRD_PARTY = re.compile(r"(fmt|nlohmann|hwy|tbb|oneapi|CLI)/|(cblas|lapacke|dnnl\w*|zip)\.h")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)


def layer_of(path: Path) -> str | None:
    """The layer of a path relative to the root, or None where everything is allowed."""
    parts = path.parts
    if parts[0] == "cli":
        return "cli"
    if parts[:2] != ("src", "tarn"):
        return None
    if len(parts) == 3:
        return "composition" if path.suffix == ".cpp" else "umbrella"
    if parts[2] == "ops":
        if path.name in OP_HEADERS:
            return "op"
        if "functions" in parts or path.suffix == ".cpp" or path.name in FUNCTION_HEADERS:
            return "functions"
        return "ops"
    return parts[2]


def includes(root: Path, path: Path) -> list[tuple[int, str]]:
    text = (root / path).read_text()
    commented_out = code(text)
    return [
        (line_of(text, match.start()), match[1] or match[2])
        for match in INCLUDE.finditer(text)
        if commented_out[match.end() - len(match[0].lstrip())] == "#"
    ]


def check_edges(root: Path, edges: dict[Path, list[tuple[int, str]]]) -> list[Finding]:
    findings = []
    for path, included in edges.items():
        layer = layer_of(path)
        if layer is None:
            continue
        if layer not in ALLOWED:
            findings.append(Finding(path, 1, f"{layer} is not a layer"))
            continue
        allowed = {layer, *ALLOWED[layer].split()}
        for line, name in included:
            if layer in LOW_LAYERS and name in NOT_IN_LOW_LAYERS:
                findings.append(Finding(path, line, f"{layer} must not include <{name}>"))
            if not name.startswith("tarn/"):
                continue
            target = layer_of(Path("src") / name)
            if target not in allowed:
                findings.append(Finding(path, line, f"{layer} must not include {target} ({name})"))
    return findings


def check_public_headers(edges: dict[Path, list[tuple[int, str]]]) -> list[Finding]:
    """What tarn.h reaches is compiled by users, who do not have our libraries' headers."""
    findings, seen, waiting = [], set(), [Path("src/tarn/tarn.h")]
    while waiting:
        path = waiting.pop()
        if path in seen or path not in edges:
            continue
        seen.add(path)
        for line, name in edges[path]:
            if THIRD_PARTY.match(name):
                findings.append(Finding(path, line, f"public header must not include <{name}>"))
            if name.startswith("tarn/"):
                waiting.append(Path("src") / name)
    return findings


def main() -> int:
    root = arguments(__doc__).root
    edges = {path: includes(root, path) for path in files(root, CPP)}
    return report("layers", check_edges(root, edges) + check_public_headers(edges))


if __name__ == "__main__":
    sys.exit(main())
