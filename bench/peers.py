#!/usr/bin/env python3
"""The rows of operations.cpp in NumPy and PyTorch.

Answers each line that it reads with one line:
  load ROW FOLDER    "ok": has taken the row's data and results, which operations.cpp saved there
  check FRAMEWORK    does the row's work; "ok", or how its results differ from the saved ones
  time FRAMEWORK     does the row's work; the seconds that it took
or "none" where the framework does not have the row or is not installed, or with what went wrong.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

try:
    import torch
    from torch.nn import functional

    torch.set_grad_enabled(False)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
except ImportError:
    torch = None

generator = np.random.default_rng(7)
rows = {}


def row(
    name,
    numpy,
    pytorch,
    dtype=None,
    compared=lambda result, *data: result[0],
    tolerance=5e-3,
    indices=False,
):
    """Work on a row's arrays, in their order in operations.cpp.

    dtype: of PyTorch's floating tensors, where NumPy has no such type.
    compared: what the lists of results are compared by.
    tolerance: how large their difference may be, in norms; else as near as bfloat16 is.
    indices: the second array holds some; they get 64 bits, as both frameworks want them.
    """
    rows[name] = ({"numpy": numpy, "torch": pytorch}, dtype, compared, tolerance, indices)


def both(name, work, **options):
    row(name, work, work, **options)


def in_order(result, *data):
    return np.sort(result[0], -1)


def chosen(array, indices):
    return np.take_along_axis(array, indices.astype(np.int64).reshape(len(array), -1), -1)


def shape(result, *data):
    return np.array(result[0].shape)


both("add", lambda a, b: a + b)
both("multiply_add", lambda a, b, c: a * b + c)
both("add_transposed", lambda a, b: a + b.T)
row("add_bf16", None, lambda a, b: a + b, dtype="bfloat16")
row("add_f16", None, lambda a, b: a + b, dtype="float16")
row("exp", np.exp, lambda a: torch.exp(a))
row("exp_bf16", None, lambda a: torch.exp(a), dtype="bfloat16")
row("tanh", np.tanh, lambda a: torch.tanh(a))
row("sin", np.sin, lambda a: torch.sin(a))
row("erf", None, lambda a: torch.erf(a))
row("sigmoid", lambda a: 1 / (1 + np.exp(-a)), lambda a: torch.sigmoid(a))
row("log", np.log, lambda a: torch.log(a))
both("power", lambda a: a**2.5)
row("where", np.where, lambda c, a, b: torch.where(c, a, b))
row(
    "where_positive",
    lambda a, b, c: np.where(a > 0, b, c),
    lambda a, b, c: torch.where(a > 0, b, c),
)
row("cast_bf16", None, lambda a: a.to(torch.bfloat16))
row("cast_f16", lambda a: a.astype(np.float16), lambda a: a.to(torch.float16))
row("cast_from_bf16", None, lambda a: a.to(torch.float32), dtype="bfloat16")
row("gelu", None, lambda a: functional.gelu(a))
row("silu_gate", None, lambda a, b: functional.silu(a) * b)
both("sum_all", lambda a: a.sum())
both("sum_rows", lambda a: a.sum(1))
both("sum_columns", lambda a: a.sum(0))
both("mean_square_error", lambda a, b: ((a - b) ** 2).mean())
both("sum_squares_columns", lambda a: (a**2).sum(0))
both("argmax_rows", lambda a: a.argmax(1), compared=lambda i, a: chosen(a, i[0]))
row("var_rows", lambda a: a.var(1), lambda a: a.var(1, unbiased=False))
row("softmax_rows", None, lambda a: torch.softmax(a, 1))
row("softmax_columns", None, lambda a: torch.softmax(a, 0))
row("logsumexp_rows", None, lambda a: torch.logsumexp(a, 1))
row("layer_norm", None, lambda a, w, b: functional.layer_norm(a, w.shape, w, b, 1e-5))
row("rms_norm", None, lambda a, w: a * torch.rsqrt(a.square().mean(-1, keepdim=True) + 1e-5) * w)
both("cumsum_rows", lambda a: a.cumsum(1))
both("cumsum_columns", lambda a: a.cumsum(0))
row("sort", np.sort, lambda a: torch.sort(a))
row("sort_integers", np.sort, lambda a: torch.sort(a))
row("sort_rows", np.sort, lambda a: torch.sort(a))
row(
    "argsort",
    np.argsort,
    lambda a: torch.argsort(a),
    compared=lambda order, a: chosen(a[None], order[0][None]),
)
row("topk_rows", None, lambda a: torch.topk(a, 32), compared=in_order)
both("take_elements", lambda a, i: a[i], indices=True)
both("take_rows", lambda a, i: a[i], indices=True)
row("scatter_add_rows", None, lambda a, i, x: a.index_add(0, i, x[:, 0]), indices=True)
row("transpose_copy", lambda a: np.ascontiguousarray(a.T), lambda a: a.T.contiguous())
row("transpose_copy_bf16", None, lambda a: a.T.contiguous(), dtype="bfloat16")
row("pad", lambda a: np.pad(a, 1), lambda a: functional.pad(a, (1, 1, 1, 1)))
row("tile", lambda a: np.tile(a, (2, 2)), lambda a: torch.tile(a, (2, 2)))
row(
    "arange",
    lambda: np.arange(1 << 24, dtype=np.float32),
    lambda: torch.arange(1 << 24, dtype=torch.float32),
)
row("concatenate", lambda a, b: np.concatenate([a, b]), lambda a, b: torch.cat([a, b]))
both("matmul_1024", lambda a, b: a @ b)
both("matmul_2048", lambda a, b: a @ b)
both("matmul_4096", lambda a, b: a @ b)
# Without instructions for bfloat16, this PyTorch rounds each partial sum to it.
row("matmul_bf16_1024", None, lambda a, b: a @ b, dtype="bfloat16", tolerance=1e-1)
both("matmul_f64_1024", lambda a, b: a @ b)
both("matmul_transposed", lambda a, b: a @ b.T)
both("matmul_batched", lambda a, b: a @ b)
both("matmul_small", lambda a, b: a @ b)
both("matvec", lambda x, a: x @ a)
row("matvec_bf16", None, lambda x, a: x @ a, dtype="bfloat16", tolerance=1e-1)
both("matmul_skinny", lambda x, a: x @ a)
both("matmul_few_rows", lambda x, a: x @ a)


def rotated(a):
    """Rotary position embedding of the last axis in halves."""
    half = a.shape[-1] // 2
    angles = torch.arange(a.shape[-2])[:, None] * 10000.0 ** (-torch.arange(half) / half)
    cosines, sines = torch.cos(angles), torch.sin(angles)
    x, y = a[..., :half], a[..., half:]
    return torch.cat([x * cosines - y * sines, y * cosines + x * sines], -1)


row("rope", None, rotated)


def attention(q, k, v):
    return torch.softmax(q @ k.transpose(-1, -2) * 0.125, -1) @ v


def causal_attention(q, k, v):
    later = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).triu(1)
    scores = (q @ k.transpose(-1, -2) * 0.125).masked_fill(later, float("-inf"))
    return torch.softmax(scores, -1) @ v


row("attention", None, attention)
row("attention_causal", None, causal_attention)
# This PyTorch rounds scores to bfloat16 before it takes their exponentials.
row("attention_bf16", None, attention, dtype="bfloat16", tolerance=3e-2)
row("attention_bf16_causal", None, causal_attention, dtype="bfloat16", tolerance=3e-2)
row("attention_decode", None, attention)


def convolution(name, stride=1, padding=0, groups=1):
    """Images and windows have their channels last; PyTorch sees that by strides, and is faster."""

    def work(x, w):
        x, w = x.permute(0, 3, 1, 2), w.permute(0, 3, 1, 2)
        return torch.conv2d(x, w, None, stride, padding, 1, groups).permute(0, 2, 3, 1)

    row(name, None, work)


convolution("conv2d_3x3", padding=1)
convolution("conv2d_1x1")
convolution("conv2d_stem", stride=2, padding=3)
convolution("conv2d_depthwise", padding=1, groups=64)

row("cholesky", np.linalg.cholesky, lambda a: torch.linalg.cholesky(a))
row("inv", np.linalg.inv, lambda a: torch.linalg.inv(a))
row("rfft_long", np.fft.rfft, lambda a: torch.fft.rfft(a))
row("rfft_rows", np.fft.rfft, lambda a: torch.fft.rfft(a))
row("fft2", np.fft.fft2, lambda a: torch.fft.fft2(a))
# Vectors may have either sign.
row("qr", np.linalg.qr, lambda a: torch.linalg.qr(a), compared=lambda qr, a: abs(qr[1]))
row("svd", np.linalg.svd, lambda a: torch.linalg.svd(a), compared=lambda usv, a: usv[1])
row("svd_batch", np.linalg.svd, lambda a: torch.linalg.svd(a), compared=lambda usv, a: usv[1])
row("eigh", np.linalg.eigh, lambda a: torch.linalg.eigh(a))
row(
    "uniform",
    lambda: generator.random(1 << 24, dtype=np.float32),
    lambda: torch.rand(1 << 24),
    compared=shape,
)
row(
    "normal",
    lambda: generator.standard_normal(1 << 24, dtype=np.float32),
    lambda: torch.randn(1 << 24),
    compared=shape,
)
row(
    "randint",
    lambda: generator.integers(0, 1000, 1 << 24, dtype=np.int32),
    lambda: torch.randint(0, 1000, (1 << 24,), dtype=torch.int32),
    compared=shape,
)
row(
    "permutation",
    lambda: generator.permutation(1 << 20),
    lambda: torch.randperm(1 << 20),
    compared=in_order,
)
row(
    "categorical",
    None,
    lambda a: torch.multinomial(torch.softmax(a, 1), 1)[:, 0],
    compared=shape,
)


def arrays_of(results):
    """NumPy arrays of what work returns: an array, a tensor or several."""
    for result in results if isinstance(results, tuple) else [results]:
        if torch and isinstance(result, torch.Tensor):
            result = (result.float() if result.dtype == torch.bfloat16 else result).numpy()
        yield widened(np.asarray(result))


def widened(array):
    """Norms of float16 would be infinite, differences of integers wrap."""
    return array.astype(np.result_type(array.dtype, np.float32))


class Loaded:
    """A row with its data in the form of each framework, and Tarn's results."""

    def __init__(self, name, folder):
        self.works, dtype, self.compared, self.tolerance, has_indices = rows[name]
        data, results = (
            [np.load(path) for path in sorted(Path(folder).glob(f"{kind}*.npy"))]
            for kind in ("data", "result")
        )
        self.expected = [widened(result) for result in results]
        if has_indices:
            data[1] = data[1].astype(np.int64)
        self.data = {"numpy": data}
        if torch:
            tensors = [torch.from_numpy(array) for array in data]
            if dtype:
                tensors = [t.to(getattr(torch, dtype)) for t in tensors]
            self.data["torch"] = tensors

    def work_of(self, framework):
        return self.works[framework] if framework in self.data else None

    def check(self, framework):
        data = self.data["numpy"]
        results = list(arrays_of(self.work_of(framework)(*self.data[framework])))
        ours, theirs = self.compared(self.expected, *data), self.compared(results, *data)
        if ours.shape != theirs.shape:
            return f"shape {ours.shape} where {framework} has {theirs.shape}"
        difference = np.linalg.norm(np.ravel(ours - theirs)) / np.linalg.norm(np.ravel(ours))
        return "ok" if difference < self.tolerance else f"{difference:.1e} away from {framework}"


def seconds_of(work, data):
    start = time.perf_counter()
    result = work(*data)
    seconds = time.perf_counter() - start
    del result
    return seconds


def seconds_when_awake(work, data):
    """As in measure.h."""
    AWAKE, LONG = 0.01, 0.1
    spent = 0
    while spent < AWAKE:
        last = seconds_of(work, data)
        spent += last
    return seconds_of(work, data) if last < LONG else last


class Peers:
    loaded = None

    def load(self, name, folder):
        self.loaded = None  # its memory first
        self.loaded = Loaded(name, folder) if name in rows else None
        return "ok" if self.loaded else "none"

    def check(self, framework):
        return self.loaded.check(framework) if self.has(framework) else "none"

    def time(self, framework):
        if not self.has(framework):
            return "none"
        return seconds_when_awake(self.loaded.work_of(framework), self.loaded.data[framework])

    def has(self, framework):
        return self.loaded is not None and self.loaded.work_of(framework) is not None


def main():
    peers = Peers()
    requests = {"load": peers.load, "check": peers.check, "time": peers.time}
    for line in sys.stdin:
        request, *arguments = line.rstrip("\n").split(" ", 2)
        try:
            answer = requests[request](*arguments)
        except Exception as error:
            answer = " ".join(f"{type(error).__name__}: {error}".split())[:200]  # as peers.h reads
        print(answer, flush=True)


if __name__ == "__main__":
    main()
