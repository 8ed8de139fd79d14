"""Each check of tools/ must pass a tree that keeps its rule and fail one that breaks it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def run(root: Path, check: str, *args: str) -> tuple[int, str]:
    command = [sys.executable, TOOLS / f"{check}.py", "--root", root, *args]
    result = subprocess.run(command, capture_output=True, text=True)
    return result.returncode, result.stderr


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


# check, files, what the message must contain (None: the check passes)
CASES = {
    "layer below": ("check_layers", {"src/tarn/math/a.h": '#include "tarn/base/b.h"\n'}, None),
    "layer above": (
        "check_layers",
        {"src/tarn/base/a.h": '\n#include "tarn/math/b.h"\n'},
        "src/tarn/base/a.h:2: error: base must not include math",
    ),
    "include in a comment": (
        "check_layers",
        {"src/tarn/base/a.h": '// #include "tarn/math/b.h"\n/*\n#include "tarn/io/c.h"\n*/\n'},
        None,
    ),
    "declarations do not see arrays": (
        "check_layers",
        {"src/tarn/ops/unary.h": '#include "tarn/graph/array.h"\n'},
        "ops must not include graph",
    ),
    "rule bodies see arrays": (
        "check_layers",
        {"src/tarn/ops/unary.cpp": '#include "tarn/graph/array.h"\n'},
        None,
    ),
    "graph sees no concrete operation": (
        "check_layers",
        {"src/tarn/graph/a.cpp": '#include "tarn/ops/op.h"\n#include "tarn/ops/unary.h"\n'},
        "graph must not include ops (tarn/ops/unary.h)",
    ),
    "unknown folder": ("check_layers", {"src/tarn/extra/a.h": ""}, "extra is not a layer"),
    "heavy header in a low layer": (
        "check_layers",
        {"src/tarn/runtime/a.cpp": "#include <sstream>\n"},
        "runtime must not include <sstream>",
    ),
    "library in a public header": (
        "check_layers",
        {
            "src/tarn/tarn.h": '#include "tarn/base/a.h"\n',
            "src/tarn/base/a.h": "#include <fmt/format.h>\n",
        },
        "base/a.h:1: error: public header must not include <fmt/format.h>",
    ),
    "library in an internal header": (
        "check_layers",
        {"src/tarn/tarn.h": "", "src/tarn/base/a.h": "#include <fmt/format.h>\n"},
        None,
    ),
    "100 columns": ("check_sizes", {"src/a.h": "x" * 100 + "\n"}, None),
    "101 columns": ("check_sizes", {"src/a.h": "x" * 101 + "\n"}, "past 100 columns"),
    "800 lines": ("check_sizes", {"src/a.cpp": "\n" * 800}, None),
    "801 lines": ("check_sizes", {"src/a.cpp": "\n" * 801}, "801 lines"),
    "named after a thing": ("check_names", {"src/utility_bill.h": ""}, None),
    "named after nothing": ("check_names", {"src/string_utils.h": ""}, "'utils'"),
    "two files name an operation": (
        "op_cost",
        {
            "src/tarn/ops/unary.h": "#define TARN_UNARY_OPS(X) X(sin, Sin)\nstruct Sin {};\n",
            "src/tarn/ops/unary.cpp": "Sin::derivative();\n",
            "src/tarn/ops/other.cpp": "// Sin is named here\nhn::Sin(x); Sinh::apply();\n",
        },
        None,
    ),
    "three files name an operation": (
        "op_cost",
        {
            "src/tarn/ops/unary.h": "#define TARN_UNARY_OPS(X) X(sin, Sin)\nstruct Sin {};\n",
            "src/tarn/ops/unary.cpp": "Sin::derivative();\n",
            "src/tarn/graph/fusion.cpp": "if (is<ops::Sin>(op)) {}\n",
        },
        "Sin is named in 3 files",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rule(tmp_path, case):
    check, files, message = CASES[case]
    status, output = run(write(tmp_path, files), check)
    assert status == (0 if message is None else 1), output
    assert message is None or message in output


def test_long_function_is_a_warning(tmp_path):
    body = "  if (x) {\n    y();\n  }\n" * 40
    write(tmp_path, {"src/a.cpp": f"namespace a {{\nvoid f(int x) {{\n{body}}}\n}}\n"})
    status, output = run(tmp_path, "check_sizes")
    assert status == 0
    assert "src/a.cpp:2: warning: a function of 122 lines" in output


def test_header_alone(tmp_path):
    root = write(tmp_path, {
        "src/tarn/base/good.h": "#pragma once\n#include <vector>\nstd::vector<int> good();\n",
        "src/tarn/base/bad.h": "#pragma once\nstd::vector<int> bad();\n",
        "src/tarn/base/proved.h": "#pragma once\nnot C++, but the build of proved.cpp says so\n",
        "src/tarn/base/proved.cpp": '#include "tarn/base/proved.h"\n',
    })
    command = f"ccache c++ -std=c++20 -I{root}/src -o a.o -c {root}/src/tarn/base/proved.cpp"
    entry = {"file": f"{root}/src/tarn/base/proved.cpp", "command": command}
    write(root, {"build/compile_commands.json": json.dumps([entry])})
    status, output = run(root, "check_headers", str(root / "build"))
    assert status == 1
    assert "base/bad.h" in output and "good.h" not in output and "proved.h" not in output


def test_headers_that_users_include_pass_clang(tmp_path):
    # g++ lets a lambda capture a structured binding in C++20; clang 14 does not.
    body = "int f() { auto [a, b] = std::pair(1, 2); return [&] { return a + b; }(); }\n"
    root = write(tmp_path, {
        "src/tarn/tarn.h": f"#pragma once\n#include <utility>\ninline {body}",
        "src/tarn/base/a.cpp": '#include "tarn/tarn.h"\n',
    })
    command = f"c++ -std=c++20 -I{root}/src -o a.o -c {root}/src/tarn/base/a.cpp"
    subprocess.run(command.replace("-o a.o -c", "-fsyntax-only").split(), check=True)
    entry = {"file": f"{root}/src/tarn/base/a.cpp", "command": command}
    write(root, {"build/compile_commands.json": json.dumps([entry])})
    status, output = run(root, "check_headers", str(root / "build"))
    assert status == 1
    assert "tarn.h" in output


@pytest.mark.parametrize("namespace, status", [("N_AVX3", 0), ("tarn", 1)])
def test_weak_function(tmp_path, namespace, status):
    output = "src/tarn/CMakeFiles/tarn_kernels_avx512.dir/a.o"
    code = f"namespace {namespace} {{ inline int f() {{ return 1; }} int (*g)() = f; }}\n"
    headers = {"command": f"ccache c++ -o {output}.gch -c a.hxx"}  # no object
    commands = json.dumps([headers, {"command": f"ccache c++ -o {output} -c a.cpp"}])
    write(tmp_path, {"a.cpp": code, "compile_commands.json": commands, output: ""})
    subprocess.run(["c++", "-c", tmp_path / "a.cpp", "-o", tmp_path / output], check=True)
    assert run(tmp_path, "check_symbols", str(tmp_path))[0] == status
