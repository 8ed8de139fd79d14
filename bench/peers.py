#!/usr/bin/env python3
"""The rows of operations.cpp in NumPy and PyTorch.

Reads lines "framework row", does the row's work and answers with the seconds that it took, or
with "none" where the framework does not have it or is not installed. A row's data is made at its
first request and kept until another row is asked for.
"""

import os
import sys
import time

import numpy as np

try:
    import torch

    torch.set_grad_enabled(False)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
except ImportError:
    torch = None

generator = np.random.default_rng(7)
rows = {}


def row(name, data, numpy=None, pytorch=None, dtype=None):
    """`data` makes NumPy arrays; PyTorch gets them as tensors, floating ones as `dtype`."""
    rows[name] = (data, numpy, pytorch, dtype)


def both(name, data, work):
    row(name, data, work, work)


def floats(*shape):
    return generator.uniform(-4, 4, shape).astype(np.float32)


def positive(*shape):
    return generator.uniform(0.1, 4, shape).astype(np.float32)


def integers(high, *shape):
    return generator.integers(0, high, shape)


def square(n=4096, count=1):
    return lambda: tuple(floats(n, n) for _ in range(count))


def doubles(n, count):
    return tuple(floats(n, n).astype(np.float64) for _ in range(count))


def definite(n):
    a = floats(n, n)
    return (a @ a.T + n * np.eye(n, dtype=np.float32),)


def rotated(a):
    """Rotary position embedding of the last axis in halves."""
    half = a.shape[-1] // 2
    angles = torch.arange(a.shape[-2])[:, None] * 10000.0 ** (-torch.arange(half) / half)
    cosines, sines = torch.cos(angles), torch.sin(angles)
    x, y = a[..., :half], a[..., half:]
    return torch.cat([x * cosines - y * sines, y * cosines + x * sines], -1)


def convolution(name, size, channels, channels_out, taps, stride=1, padding=0, groups=1):
    """Images with their channels last, which PyTorch knows by their strides and is faster on."""

    def data():
        weight = floats(channels_out, taps, taps, channels // groups)
        return floats(8, size, size, channels), weight

    def work(x, w):
        x, w = x.permute(0, 3, 1, 2), w.permute(0, 3, 1, 2)
        return torch.conv2d(x, w, None, stride, padding, 1, groups)

    row(name, data, None, work)


both("add", square(count=2), lambda a, b: a + b)
both("multiply_add", square(count=3), lambda a, b, c: a * b + c)
both("add_transposed", square(count=2), lambda a, b: a + b.T)
row("add_bf16", square(count=2), None, lambda a, b: a + b, "bfloat16")
row("add_f16", square(count=2), None, lambda a, b: a + b, "float16")
row("exp_bf16", square(), None, lambda a: torch.exp(a), "bfloat16")
row("exp", square(), np.exp, lambda a: torch.exp(a))
row("tanh", square(), np.tanh, lambda a: torch.tanh(a))
row("sin", square(), np.sin, lambda a: torch.sin(a))
row("erf", square(), None, lambda a: torch.erf(a))
row("gelu", square(), None, torch.nn.functional.gelu)
row("silu_gate", square(count=2), None, lambda a, b: torch.nn.functional.silu(a) * b)
row("log", lambda: (positive(4096, 4096),), np.log, lambda a: torch.log(a))
both("power", lambda: (positive(4096, 4096),), lambda a: a**2.5)
row("sigmoid", square(), lambda a: 1 / (1 + np.exp(-a)), lambda a: torch.sigmoid(a))
row(
    "where",
    square(count=3),
    lambda a, b, c: np.where(a > 0, b, c),
    lambda a, b, c: torch.where(a > 0, b, c),
)
row("cast_bf16", square(), None, lambda a: a.to(torch.bfloat16))
row("cast_f16", square(), lambda a: a.astype(np.float16), lambda a: a.to(torch.float16))
row("cast_from_bf16", square(), None, lambda a: a.to(torch.float32), "bfloat16")
both("sum_all", square(), lambda a: a.sum())
both("sum_rows", square(), lambda a: a.sum(1))
both("sum_columns", square(), lambda a: a.sum(0))
both("argmax_rows", square(), lambda a: a.argmax(1))
both("var_rows", square(), lambda a: a.var(1))
row("softmax_rows", square(), None, lambda a: torch.softmax(a, 1))
row("softmax_columns", square(), None, lambda a: torch.softmax(a, 0))
row("logsumexp_rows", square(), None, lambda a: torch.logsumexp(a, 1))
row(
    "layer_norm",
    lambda: (floats(4096, 4096), floats(4096), floats(4096)),
    None,
    lambda a, w, b: torch.nn.functional.layer_norm(a, (4096,), w, b, 1e-5),
)
row(
    "rms_norm",
    lambda: (floats(4096, 4096), floats(4096)),
    None,
    lambda a, w: a * torch.rsqrt(a.square().mean(-1, keepdim=True) + 1e-5) * w,
)
row("rope", lambda: (floats(4, 32, 1024, 128),), None, lambda a: rotated(a))
both("cumsum_rows", square(), lambda a: a.cumsum(1))
both("cumsum_columns", square(), lambda a: a.cumsum(0))
row("sort", lambda: (floats(1 << 24),), np.sort, lambda a: torch.sort(a))
row(
    "sort_integers",
    lambda: (integers(1 << 30, 1 << 24).astype(np.int32),),
    np.sort,
    lambda a: torch.sort(a),
)
row("argsort", lambda: (floats(1 << 24),), np.argsort, lambda a: torch.argsort(a))
row("sort_rows", square(), np.sort, lambda a: torch.sort(a))
row("topk_rows", square(), None, lambda a: torch.topk(a, 32))
both("take_elements", lambda: (floats(1 << 24), integers(1 << 24, 1 << 24)), lambda a, i: a[i])
both("take_rows", lambda: (floats(1 << 16, 256), integers(1 << 16, 1 << 16)), lambda a, i: a[i])
row(
    "transpose_copy",
    square(),
    lambda a: np.ascontiguousarray(a.T),
    lambda a: a.T.contiguous(),
)
row("transpose_copy_bf16", square(), None, lambda a: a.T.contiguous(), "bfloat16")
row(
    "scatter_add_rows",
    lambda: (floats(1 << 16, 256), integers(1 << 16, 1 << 16), floats(1 << 16, 256)),
    None,
    lambda a, i, x: a.index_add(0, i, x),
)
row("pad", square(), lambda a: np.pad(a, 1), lambda a: torch.nn.functional.pad(a, (1, 1, 1, 1)))
row("tile", square(2048), lambda a: np.tile(a, (2, 2)), lambda a: torch.tile(a, (2, 2)))
row(
    "arange",
    lambda: (),
    lambda: np.arange(1 << 24, dtype=np.float32),
    lambda: torch.arange(1 << 24, dtype=torch.float32),
)
row(
    "concatenate",
    square(2048, 2),
    lambda a, b: np.concatenate([a, b]),
    lambda a, b: torch.cat([a, b]),
)
both("matmul_1024", square(1024, 2), lambda a, b: a @ b)
both("matmul_2048", square(2048, 2), lambda a, b: a @ b)
both("matmul_4096", square(4096, 2), lambda a, b: a @ b)
row("matmul_bf16_1024", square(1024, 2), None, lambda a, b: a @ b, "bfloat16")
both("matmul_f64_1024", lambda: doubles(1024, 2), lambda a, b: a @ b)
both("matmul_transposed", square(1024, 2), lambda a, b: a @ b.T)
both("matmul_batched", lambda: (floats(64, 128, 128), floats(64, 128, 128)), lambda a, b: a @ b)
both("matmul_small", lambda: (floats(512, 32, 32), floats(512, 32, 32)), lambda a, b: a @ b)
both("matvec", lambda: (floats(1, 4096), floats(4096, 4096)), lambda x, a: x @ a)
row(
    "matvec_bf16",
    lambda: (floats(1, 4096), floats(4096, 4096)),
    None,
    lambda x, a: x @ a,
    "bfloat16",
)
both("matmul_skinny", lambda: (floats(16, 4096), floats(4096, 4096)), lambda x, a: x @ a)
convolution("conv2d_3x3", 56, 64, 64, 3, padding=1)
convolution("conv2d_1x1", 56, 64, 256, 1)
convolution("conv2d_stem", 224, 3, 64, 7, stride=2, padding=3)
convolution("conv2d_depthwise", 56, 64, 64, 3, padding=1, groups=64)


def attention(q, k, v):
    return torch.softmax(q @ k.transpose(-1, -2) * 0.125, -1) @ v


def causal_attention(q, k, v):
    later = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).triu(1)
    scores = (q @ k.transpose(-1, -2) * 0.125).masked_fill(later, float("-inf"))
    return torch.softmax(scores, -1) @ v


def heads(queries, keys):
    return lambda: (floats(1, 16, queries, 64), floats(1, 16, keys, 64), floats(1, 16, keys, 64))


for suffix, dtype in ("", None), ("_bf16", "bfloat16"):
    row("attention" + suffix, heads(1024, 1024), None, attention, dtype)
    row("attention" + suffix + "_causal", heads(1024, 1024), None, causal_attention, dtype)
row("attention_decode", heads(1, 4096), None, attention)
row("cholesky", lambda: definite(1024), np.linalg.cholesky, lambda a: torch.linalg.cholesky(a))
row("inv", lambda: definite(1024), np.linalg.inv, lambda a: torch.linalg.inv(a))
row("qr", square(1024), np.linalg.qr, lambda a: torch.linalg.qr(a))
row("svd", square(1024), np.linalg.svd, lambda a: torch.linalg.svd(a))
row(
    "svd_batch",
    lambda: (floats(64, 100, 100),),
    np.linalg.svd,
    lambda a: torch.linalg.svd(a),
)
row("eigh", lambda: definite(1024), np.linalg.eigh, lambda a: torch.linalg.eigh(a))
row("rfft_long", lambda: (floats(1 << 20),), np.fft.rfft, lambda a: torch.fft.rfft(a))
row("rfft_rows", square(1024), np.fft.rfft, lambda a: torch.fft.rfft(a))
row("fft2", square(1024), np.fft.fft2, lambda a: torch.fft.fft2(a))
row(
    "uniform",
    lambda: (),
    lambda: generator.random(1 << 24, dtype=np.float32),
    lambda: torch.rand(1 << 24),
)
row(
    "normal",
    lambda: (),
    lambda: generator.standard_normal(1 << 24, dtype=np.float32),
    lambda: torch.randn(1 << 24),
)
row(
    "randint",
    lambda: (),
    lambda: generator.integers(0, 1000, 1 << 24, dtype=np.int32),
    lambda: torch.randint(0, 1000, (1 << 24,), dtype=torch.int32),
)
row(
    "permutation",
    lambda: (),
    lambda: generator.permutation(1 << 20),
    lambda: torch.randperm(1 << 20),
)
row("categorical", square(), None, lambda a: torch.multinomial(torch.softmax(a, 1), 1))


class Prepared:
    """A row with its data in the form of each framework, each made when it is first asked for."""

    def __init__(self, name):
        self.name = name
        self.data, *self.works, self.dtype = rows[name]
        self.arrays = self.data()
        self.tensors = None

    def work_of(self, framework):
        if framework == "numpy":
            return self.works[0], self.arrays
        if torch is None:
            return None, ()
        if self.tensors is None:
            self.tensors = [torch.from_numpy(a) for a in self.arrays]
            if self.dtype:
                self.tensors = [t.to(getattr(torch, self.dtype)) for t in self.tensors]
        return self.works[1], self.tensors


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


def main():
    prepared = None
    for line in sys.stdin:
        framework, name = line.split()
        if name not in rows:
            print("none", flush=True)
            continue
        if prepared is None or prepared.name != name:
            prepared = None  # its memory first
            prepared = Prepared(name)
        work, data = prepared.work_of(framework)
        if work is None:
            print("none", flush=True)
            continue
        print(seconds_when_awake(work, data), flush=True)


if __name__ == "__main__":
    main()
