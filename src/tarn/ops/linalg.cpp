#include "tarn/ops/linalg.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

namespace {

void check_matrices(const array& a, const char* op) {
  check(a.ndim() >= 2, op, "wants matrices, got shape {}.", a.shape());
}

void check_square(const array& a, const char* op) {
  check(a.ndim() >= 2 && a.shape(-1) == a.shape(-2), op, "wants square matrices, got shape {}.",
        a.shape());
}

void check_real_floating(Dtype dtype, const char* op) {
  check(dtype == float32 || dtype == float64, op, "is defined for float32 and float64, got {}.",
        dtype);
}

void check_real_or_complex(Dtype dtype, const char* op) {
  check(dtype == float32 || dtype == float64 || dtype == complex64, op,
        "is defined for float32, float64 and complex64, got {}.", dtype);
}

Dtype real_of(Dtype dtype) { return dtype == complex64 ? float32 : dtype; }

// The batch of `a` with other last axes.
Shape batched(const array& a, std::initializer_list<ShapeElem> last) {
  Shape shape = without_last(a.shape(), 2);
  shape.insert(shape.end(), last.begin(), last.end());
  return shape;
}

// What a solver solves: coefficients and columns with one batch.
struct System {
  array a;
  array b;
  bool is_vector;  // the columns are one vector, to be squeezed again
};

System make_system(const array& a, const array& b, const char* op, StreamOrDevice s) {
  Dtype dtype = promote_types(a.dtype(), b.dtype());
  check_real_floating(dtype, op);
  check_square(a, op);
  bool is_vector = b.ndim() == 1;
  array columns = is_vector ? expand_dims(b, 1, s) : b;
  check(b.ndim() > 0 && columns.shape(-2) == a.shape(-1), op, "shapes {} and {} do not fit.",
        a.shape(), b.shape());
  Shape batch = broadcast_shapes(without_last(a.shape(), 2), without_last(columns.shape(), 2));
  return {with_batch(astype(a, dtype, s), batch, s),
          with_batch(astype(columns, dtype, s), batch, s), is_vector};
}

array make_solution(Op op, const System& system, StreamOrDevice s) {
  const auto& [a, b, is_vector] = system;
  array x = make_node(std::move(op), to_stream(s), b.shape(), b.dtype(), a, b);
  return is_vector ? squeeze(x, -1, s) : x;
}

// U and Vt with `n_left` columns and `n_right` rows.
std::vector<array> make_svd(const array& a, int n_left, int n_right, StreamOrDevice s) {
  int m = a.shape(-2), n = a.shape(-1);
  return make_node(Op(kKernelClass<ops::Svd>), to_stream(s),
                   {{batched(a, {m, n_left}), a.dtype()},
                    {batched(a, {std::min(m, n)}), real_of(a.dtype())},
                    {batched(a, {n_right, n}), a.dtype()}},
                   {a});
}

// Values, and vectors if they are wanted.
std::vector<array> make_eigen(Op op, const array& a, Dtype values, Dtype vectors, bool with_vectors,
                              StreamOrDevice s) {
  int n = a.shape(-1);
  std::vector<NodeOutput> outputs = {{batched(a, {n}), values}};
  if (with_vectors) outputs.push_back({a.shape(), vectors});
  return make_node(std::move(op), to_stream(s), std::move(outputs), {a});
}

std::vector<array> make_eigh(const array& a, std::string_view triangle, bool with_vectors,
                             StreamOrDevice s) {
  const char* name = with_vectors ? "eigh" : "eigvalsh";
  check_real_or_complex(a.dtype(), name);
  check_square(a, name);
  check(triangle == "L" || triangle == "U", name, "UPLO must be \"L\" or \"U\", got \"{}\".",
        triangle);
  return make_eigen(Op(kKernelClass<ops::Eigh>, ops::Eigh{triangle == "U"}), a, real_of(a.dtype()),
                    a.dtype(), with_vectors, s);
}

std::vector<array> make_eig(const array& a, bool with_vectors, StreamOrDevice s) {
  const char* name = with_vectors ? "eig" : "eigvals";
  check_real_or_complex(a.dtype(), name);
  check_square(a, name);
  return make_eigen(Op(kKernelClass<ops::Eig>), a, complex64, complex64, with_vectors, s);
}

// A determinant's matrices: integers are taken as float32.
array determinant_operand(const array& a, const char* op, StreamOrDevice s) {
  array x = issubdtype(a.dtype(), inexact) ? a : astype(a, float32, s);
  check_real_floating(x.dtype(), op);
  check_square(x, op);
  return x;
}

// One component of the vectors along an axis; nothing for the third of two.
std::optional<array> component(const array& a, int axis, int i, StreamOrDevice s) {
  if (i >= a.shape(axis)) return std::nullopt;
  Shape start(a.ndim(), 0), stop = a.shape();
  int along = normalize_axis(axis, int(a.ndim()), "cross");
  start[along] = i;
  stop[along] = i + 1;
  return slice(a, std::move(start), std::move(stop), s);
}

}  // namespace

array linalg::inv(const array& a, StreamOrDevice s) {
  check_real_floating(a.dtype(), "inv");
  check_square(a, "inv");
  return make_node(Op(kKernelClass<ops::Inverse>), to_stream(s), a.shape(), a.dtype(), a);
}

array linalg::tri_inv(const array& a, bool upper, StreamOrDevice s) {
  check_real_floating(a.dtype(), "tri_inv");
  check_square(a, "tri_inv");
  return make_node(Op(kKernelClass<ops::TriangularInverse>, ops::TriangularInverse{upper}),
                   to_stream(s), a.shape(), a.dtype(), a);
}

array linalg::pinv(const array& a, StreamOrDevice s) {
  check_real_floating(a.dtype(), "pinv");
  check_matrices(a, "pinv");
  int m = a.shape(-2), n = a.shape(-1), k = std::min(m, n);
  if (k == 0) return zeros(batched(a, {n, m}), a.dtype(), s);
  std::vector<array> usv = make_svd(a, k, k, s);
  double epsilon = a.dtype() == float32 ? std::numeric_limits<float>::epsilon()
                                        : std::numeric_limits<double>::epsilon();
  const array& values = usv[1];
  array cutoff =
      multiply(max(values, -1, true, s), array(10 * std::max(m, n) * epsilon, a.dtype()), s);
  array inverses =
      where(greater(values, cutoff, s), reciprocal(values, s), array(0.0, a.dtype()), s);
  array scaled = multiply(swapaxes(usv[2], -1, -2, s), expand_dims(inverses, -2, s), s);
  return matmul(scaled, swapaxes(usv[0], -1, -2, s), s);
}

array linalg::cholesky(const array& a, bool upper, StreamOrDevice s) {
  check_real_floating(a.dtype(), "cholesky");
  check_square(a, "cholesky");
  return make_node(Op(kKernelClass<ops::Cholesky>, ops::Cholesky{upper}), to_stream(s), a.shape(),
                   a.dtype(), a);
}

array linalg::cholesky_inv(const array& a, bool upper, StreamOrDevice s) {
  check_real_floating(a.dtype(), "cholesky_inv");
  check_square(a, "cholesky_inv");
  array inverse = tri_inv(a, upper, s);
  array transposed = swapaxes(inverse, -1, -2, s);
  return upper ? matmul(inverse, transposed, s) : matmul(transposed, inverse, s);
}

std::vector<array> linalg::lu(const array& a, StreamOrDevice s) {
  check_real_floating(a.dtype(), "lu");
  check_matrices(a, "lu");
  int m = a.shape(-2), n = a.shape(-1), k = std::min(m, n);
  return make_node(
      Op(kKernelClass<ops::Lu>), to_stream(s),
      {{batched(a, {m}), uint32}, {batched(a, {m, k}), a.dtype()}, {batched(a, {k, n}), a.dtype()}},
      {a});
}

std::pair<array, array> linalg::lu_factor(const array& a, StreamOrDevice s) {
  check_real_floating(a.dtype(), "lu_factor");
  check_matrices(a, "lu_factor");
  std::vector<array> outputs = make_node(
      Op(kKernelClass<ops::LuFactor>), to_stream(s),
      {{a.shape(), a.dtype()}, {batched(a, {std::min(a.shape(-2), a.shape(-1))}), uint32}}, {a});
  return {outputs[0], outputs[1]};
}

array linalg::solve(const array& a, const array& b, StreamOrDevice s) {
  return make_solution(Op(kKernelClass<ops::Solve>), make_system(a, b, "solve", s), s);
}

array linalg::solve_triangular(const array& a, const array& b, bool upper, StreamOrDevice s) {
  return make_solution(Op(kKernelClass<ops::SolveTriangular>, ops::SolveTriangular{upper}),
                       make_system(a, b, "solve_triangular", s), s);
}

array linalg::det(const array& a, StreamOrDevice s) {
  array x = determinant_operand(a, "det", s);
  return make_node(Op(kKernelClass<ops::Determinant>), to_stream(s), batched(x, {}), x.dtype(), x);
}

std::pair<array, array> linalg::slogdet(const array& a, StreamOrDevice s) {
  array x = determinant_operand(a, "slogdet", s);
  NodeOutput number{batched(x, {}), x.dtype()};
  std::vector<array> outputs =
      make_node(Op(kKernelClass<ops::LogDeterminant>), to_stream(s), {number, number}, {x});
  return {outputs[0], outputs[1]};
}

std::pair<array, array> linalg::qr(const array& a, StreamOrDevice s) {
  check_real_floating(a.dtype(), "qr");
  check_matrices(a, "qr");
  int m = a.shape(-2), n = a.shape(-1), k = std::min(m, n);
  std::vector<array> outputs =
      make_node(Op(kKernelClass<ops::Qr>), to_stream(s),
                {{batched(a, {m, k}), a.dtype()}, {batched(a, {k, n}), a.dtype()}}, {a});
  return {outputs[0], outputs[1]};
}

std::vector<array> linalg::svd(const array& a, bool compute_uv, StreamOrDevice s) {
  check_real_or_complex(a.dtype(), "svd");
  check_matrices(a, "svd");
  int m = a.shape(-2), n = a.shape(-1);
  if (compute_uv) return make_svd(a, m, n, s);
  return {make_node(Op(kKernelClass<ops::Svd>), to_stream(s), batched(a, {std::min(m, n)}),
                    real_of(a.dtype()), a)};
}
std::vector<array> linalg::svd(const array& a, StreamOrDevice s) { return svd(a, true, s); }

std::pair<array, array> linalg::eigh(const array& a, std::string UPLO, StreamOrDevice s) {
  std::vector<array> outputs = make_eigh(a, UPLO, true, s);
  return {outputs[0], outputs[1]};
}
array linalg::eigvalsh(const array& a, std::string UPLO, StreamOrDevice s) {
  return make_eigh(a, UPLO, false, s)[0];
}

std::pair<array, array> linalg::eig(const array& a, StreamOrDevice s) {
  std::vector<array> outputs = make_eig(a, true, s);
  return {outputs[0], outputs[1]};
}
array linalg::eigvals(const array& a, StreamOrDevice s) { return make_eig(a, false, s)[0]; }

array linalg::cross(const array& a, const array& b, int axis, StreamOrDevice s) {
  for (const array* x : {&a, &b}) {
    int along = normalize_axis(axis, int(x->ndim()), "cross");
    check(x->shape(along) == 2 || x->shape(along) == 3, "cross",
          "axis {} of shape {} has not two or three elements.", axis, x->shape());
  }
  // x y, if there are both.
  const auto product = [&](int i, int j) -> std::optional<array> {
    std::optional<array> x = component(a, axis, i, s), y = component(b, axis, j, s);
    return x && y ? std::optional(multiply(*x, *y, s)) : std::nullopt;
  };
  const auto minor = [&](int i, int j) {
    std::optional<array> plus = product(i, j), minus = product(j, i);
    if (plus && minus) return subtract(*plus, *minus, s);
    if (plus) return *plus;
    return minus ? negative(*minus, s) : zeros_like(*product(0, 1), s);
  };
  return concatenate({minor(1, 2), minor(2, 0), minor(0, 1)}, axis, s);
}

}  // namespace tarn
