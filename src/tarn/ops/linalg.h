// Operations on the matrices in the last two axes. Numerical failure where there is no result.
#pragma once

#include "tarn/ops/op_info.h"

namespace tarn::ops {

struct Cholesky {
  static constexpr OpInfo info{"cholesky", "a, upper=False",
                               "Triangular factors of positive definite matrices."};
  static constexpr DtypeKinds accepts = kFloatingKind;

  bool upper;
};

struct Determinant {
  static constexpr OpInfo info{"det", "a", "Determinants of square matrices."};
};

// Outputs: values, complex64, and vectors if they are wanted.
struct Eig {
  static constexpr OpInfo info{"eig", "a", "Eigenvalues and eigenvectors of square matrices."};
  static constexpr DtypeKinds accepts = kInexactKinds;
};

// Outputs: values, real, and vectors if they are wanted.
struct Eigh {
  static constexpr OpInfo info{"eigh", "a, UPLO='L'",
                               "Eigenvalues and eigenvectors of symmetric matrices."};
  static constexpr DtypeKinds accepts = kInexactKinds;

  bool upper;
};

struct Inverse {
  static constexpr OpInfo info{"inv", "a", "Inverses of square matrices."};
  static constexpr DtypeKinds accepts = kFloatingKind;
};

// Outputs: signs, logarithms of the magnitudes.
struct LogDeterminant {
  static constexpr OpInfo info{"slogdet", "a", "Determinants as signs and logarithms."};
};

// Outputs: row indices, uint32, L and U.
struct Lu {
  static constexpr OpInfo info{"lu", "a", "Triangular factors of matrices with permuted rows."};
  static constexpr DtypeKinds accepts = kFloatingKind;
};

// Outputs: both factors in one matrix; pivots, uint32.
struct LuFactor {
  static constexpr OpInfo info{"lu_factor", "a", "LU factors as LAPACK has them."};
  static constexpr DtypeKinds accepts = kFloatingKind;
};

// Outputs: Q, R.
struct Qr {
  static constexpr OpInfo info{"qr", "a", "Orthonormal bases of the columns, and coefficients."};
  static constexpr DtypeKinds accepts = kFloatingKind;
};

// Inputs: coefficients (n, n), right-hand sides (n, k).
struct Solve {
  static constexpr OpInfo info{"solve", "a, b", "Solutions of systems of linear equations."};
  static constexpr DtypeKinds accepts = kFloatingKind;
};

struct SolveTriangular {
  static constexpr OpInfo info{"solve_triangular", "a, b, upper=False",
                               "Solutions of systems with triangular matrices."};
  static constexpr DtypeKinds accepts = kFloatingKind;

  bool upper;
};

// Outputs: U, S and Vt, or S alone.
struct Svd {
  static constexpr OpInfo info{"svd", "a, compute_uv=True", "Singular values and vectors."};
  static constexpr DtypeKinds accepts = kInexactKinds;
};

struct TriangularInverse {
  static constexpr OpInfo info{"tri_inv", "a, upper=False", "Inverses of triangular matrices."};
  static constexpr DtypeKinds accepts = kFloatingKind;

  bool upper;
};

}  // namespace tarn::ops
