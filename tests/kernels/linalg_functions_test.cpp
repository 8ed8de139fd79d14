// Functions of linear algebra: shapes, dtypes, errors, and what is composed of factorizations.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "tarn/graph/eval.h"
#include "tarn/ops/functions/creation.h"
#include "tarn/ops/functions/linalg.h"
#include "tarn/ops/functions/matmul.h"
#include "tarn/ops/functions/reduce.h"
#include "tests/kernels/array_values.h"

namespace tarn {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointwise;
constexpr double kInf = HUGE_VAL;

array random_array(const Shape& shape, Dtype dtype = float64) {
  static std::mt19937 random(1);
  std::vector<double> values(static_cast<size_t>(size_of_shape(shape)));
  for (double& x : values) x = std::uniform_real_distribution(-1.0, 1.0)(random);
  return array(values.begin(), shape, dtype);
}

void expect_close(const array& got, const array& want, double tolerance = 1e-10) {
  ASSERT_EQ(got.shape(), want.shape());
  EXPECT_THAT(values_of(got), Pointwise(DoubleNear(tolerance), values_of(want)));
}

array transposed(const array& a) { return swapaxes(a, -1, -2); }

TEST(LinalgFunctions, shapes_and_dtypes) {
  for (const Shape& batch : {Shape{}, Shape{2, 3}}) {
    const auto shape = [&](std::initializer_list<int> last) {
      Shape result = batch;
      result.insert(result.end(), last.begin(), last.end());
      return result;
    };
    for (Dtype dtype : {float32, float64}) {
      array tall = random_array(shape({5, 3}), dtype);
      auto [q, r] = linalg::qr(tall);
      EXPECT_EQ(q.shape(), shape({5, 3}));
      EXPECT_EQ(r.shape(), shape({3, 3}));
      std::vector<array> usv = linalg::svd(tall);
      ASSERT_EQ(usv.size(), 3u);
      EXPECT_EQ(usv[0].shape(), shape({5, 5}));
      EXPECT_EQ(usv[1].shape(), shape({3}));
      EXPECT_EQ(usv[2].shape(), shape({3, 3}));
      ASSERT_EQ(linalg::svd(tall, false, {}).size(), 1u);
      EXPECT_EQ(linalg::svd(tall, false, {})[0].shape(), shape({3}));
      std::vector<array> plu = linalg::lu(tall);
      ASSERT_EQ(plu.size(), 3u);
      EXPECT_EQ(plu[0].shape(), shape({5}));
      EXPECT_EQ(plu[0].dtype(), uint32);
      EXPECT_EQ(plu[1].shape(), shape({5, 3}));
      EXPECT_EQ(plu[2].shape(), shape({3, 3}));
      auto [packed, pivots] = linalg::lu_factor(tall);
      EXPECT_EQ(packed.shape(), shape({5, 3}));
      EXPECT_EQ(pivots.shape(), shape({3}));
      EXPECT_EQ(pivots.dtype(), uint32);
      EXPECT_EQ(linalg::pinv(tall).shape(), shape({3, 5}));

      array square = random_array(shape({4, 4}), dtype);
      auto [values, vectors] = linalg::eig(square);
      EXPECT_EQ(values.dtype(), complex64);
      EXPECT_EQ(vectors.dtype(), complex64);
      EXPECT_EQ(values.shape(), shape({4}));
      EXPECT_EQ(vectors.shape(), shape({4, 4}));
      EXPECT_EQ(linalg::eigvals(square).dtype(), complex64);
      EXPECT_EQ(linalg::eigh(square).first.dtype(), dtype);
      EXPECT_EQ(linalg::det(square).shape(), batch);
      EXPECT_EQ(linalg::slogdet(square).second.dtype(), dtype);
    }
  }
  array hermitian = astype(eye(3), complex64);
  EXPECT_EQ(linalg::eigvalsh(hermitian).dtype(), float32);
  EXPECT_EQ(linalg::svd(hermitian)[1].dtype(), float32);
  EXPECT_EQ(linalg::svd(hermitian)[0].dtype(), complex64);
  EXPECT_EQ(linalg::det(eye(3, int32)).dtype(), float32);
  EXPECT_THAT(values_of(linalg::det(eye(3, int32))), ElementsAre(1));
}

TEST(LinalgFunctions, mistakes_throw_when_the_node_is_built) {
  using Function = std::function<void(const array&)>;
  const std::vector<Function> of_square = {[](const array& a) { linalg::inv(a); },
                                           [](const array& a) { linalg::tri_inv(a); },
                                           [](const array& a) { linalg::cholesky(a); },
                                           [](const array& a) { linalg::cholesky_inv(a); },
                                           [](const array& a) { linalg::solve(a, a); },
                                           [](const array& a) { linalg::solve_triangular(a, a); },
                                           [](const array& a) { linalg::eig(a); },
                                           [](const array& a) { linalg::eigvals(a); },
                                           [](const array& a) { linalg::eigh(a); },
                                           [](const array& a) { linalg::eigvalsh(a); },
                                           [](const array& a) { linalg::det(a); },
                                           [](const array& a) { linalg::slogdet(a); }};
  std::vector<Function> of_any = {
      [](const array& a) { linalg::qr(a); }, [](const array& a) { linalg::svd(a); },
      [](const array& a) { linalg::pinv(a); }, [](const array& a) { linalg::lu(a); },
      [](const array& a) { linalg::lu_factor(a); }};
  for (const Function& f : of_square) {
    EXPECT_THROW(f(zeros({2, 3})), std::invalid_argument);
    EXPECT_THROW(f(zeros({2, 2}, float16)), std::invalid_argument);
  }
  of_any.insert(of_any.end(), of_square.begin(), of_square.end());
  for (const Function& f : of_any) {
    EXPECT_THROW(f(array(1.0f)), std::invalid_argument);
    EXPECT_THROW(f(zeros({3})), std::invalid_argument);
    EXPECT_THROW(f(zeros({2, 2}, bfloat16)), std::invalid_argument);
  }
  EXPECT_THROW(linalg::inv(eye(2, int32)), std::invalid_argument);
  EXPECT_THROW(linalg::svd(eye(2, int32)), std::invalid_argument);
  EXPECT_THROW(linalg::eigh(eye(2), "X"), std::invalid_argument);
  EXPECT_THROW(linalg::solve(eye(2), zeros({3})), std::invalid_argument);
  EXPECT_THROW(linalg::solve(eye(2), array(1.0f)), std::invalid_argument);
  EXPECT_THROW(linalg::inv(zeros({2, 2}, complex64)), std::invalid_argument);
}

TEST(LinalgFunctions, failures_are_of_the_node_and_of_what_depends_on_it) {
  array bad = array({1.0f, NAN, 2.0f, 3.0f}, {2, 2});
  auto [q, r] = linalg::qr(bad);
  array dependent = add(q, r);
  array healthy = linalg::qr(eye(2)).first;
  EXPECT_THROW(eval(std::vector<array>{dependent, healthy}), NumericalError);
  EXPECT_TRUE(healthy.is_available());
  ASSERT_NE(r.failure(), nullptr);
  EXPECT_EQ(r.failure()->op, "qr");
  EXPECT_THAT(r.failure()->message, HasSubstr("not finite"));
  EXPECT_EQ(dependent.failure(), q.failure());
  for (array failing : {linalg::svd(bad)[0], linalg::eigh(bad, "U").second, linalg::eigvals(bad),
                        linalg::lu(bad)[0], linalg::pinv(bad), linalg::norm(bad, "nuc"),
                        linalg::tri_inv(zeros({2, 2})), linalg::cholesky_inv(zeros({2, 2})),
                        linalg::solve_triangular(zeros({2, 2}), ones({2}))}) {
    EXPECT_THROW(failing.eval(), NumericalError);
  }
}

TEST(LinalgFunctions, solve_takes_a_vector_or_columns) {
  array a = add(random_array({2, 1, 4, 4}), multiply(eye(4, float64), array(4.0, float64)));
  array vector = random_array({4}), columns = random_array({3, 4, 2});
  array x = linalg::solve(a, vector);
  EXPECT_EQ(x.shape(), (Shape{2, 1, 4}));
  expect_close(matmul(a, expand_dims(x, -1)), broadcast_to(expand_dims(vector, -1), {2, 1, 4, 1}));
  array y = linalg::solve(a, columns);
  EXPECT_EQ(y.shape(), (Shape{2, 3, 4, 2}));
  expect_close(matmul(a, y), broadcast_to(columns, {2, 3, 4, 2}));
  array upper = linalg::qr(a).second;
  expect_close(matmul(upper, linalg::solve_triangular(upper, columns, true)),
               broadcast_to(columns, {2, 3, 4, 2}));
  EXPECT_EQ(linalg::solve_triangular(upper, vector, true).shape(), (Shape{2, 1, 4}));
}

TEST(LinalgFunctions, cholesky_inv_inverts_what_was_factored) {
  array root = random_array({3, 5, 5});
  array a = add(matmul(root, transposed(root)), eye(5, float64));
  for (const bool upper : {false, true}) {
    array inverse = linalg::cholesky_inv(linalg::cholesky(a, upper), upper);
    expect_close(matmul(a, inverse), broadcast_to(eye(5, float64), {3, 5, 5}));
  }
}

TEST(LinalgFunctions, pinv_meets_the_conditions_of_penrose) {
  array rank_two = matmul(random_array({6, 2}), random_array({2, 4}));
  for (const array& a : {random_array({2, 5, 3}), random_array({3, 5}), rank_two}) {
    array inverse = linalg::pinv(a);
    expect_close(matmul(matmul(a, inverse), a), a);
    expect_close(matmul(matmul(inverse, a), inverse), inverse, 1e-9);
    expect_close(transposed(matmul(a, inverse)), matmul(a, inverse));
    expect_close(transposed(matmul(inverse, a)), matmul(inverse, a));
  }
  EXPECT_EQ(linalg::pinv(zeros({2, 0, 3})).shape(), (Shape{2, 3, 0}));
}

TEST(Norm, of_vectors) {
  array a({3.0f, -4.0f, 0.0f, 1.0f, 2.0f, 2.0f}, {2, 3});
  const auto rows = [&](double ord) { return values_of(linalg::norm(a, ord, 1)); };
  EXPECT_THAT(values_of(linalg::norm(a)), ElementsAre(DoubleNear(std::sqrt(34), 1e-6)));
  EXPECT_THAT(values_of(linalg::norm(a, -1)), ElementsAre(5, 3));
  EXPECT_THAT(rows(2), ElementsAre(5, 3));
  EXPECT_THAT(rows(1), ElementsAre(7, 5));
  EXPECT_THAT(rows(0), ElementsAre(2, 3));
  EXPECT_THAT(rows(kInf), ElementsAre(4, 2));
  EXPECT_THAT(rows(-kInf), ElementsAre(0, 1));
  EXPECT_THAT(rows(3),
              ElementsAre(DoubleNear(std::cbrt(91), 1e-5), DoubleNear(std::cbrt(17), 1e-5)));
  EXPECT_EQ(linalg::norm(a, 0, true).shape(), (Shape{1, 3}));
  EXPECT_EQ(linalg::norm(a, 1.0, 0, true).shape(), (Shape{1, 3}));
}

TEST(Norm, of_matrices) {
  array a = reshape(arange(18, float32), {2, 3, 3});
  const std::vector<int> rows_columns{1, 2}, columns_rows{2, 1};
  const auto norm = [&](double ord, const std::vector<int>& axes) {
    return values_of(linalg::norm(a, ord, axes));
  };
  EXPECT_THAT(norm(1, rows_columns), ElementsAre(15, 42));
  EXPECT_THAT(norm(-1, rows_columns), ElementsAre(9, 36));
  EXPECT_THAT(norm(1, columns_rows), ElementsAre(21, 48));
  EXPECT_THAT(norm(-1, columns_rows), ElementsAre(3, 30));
  EXPECT_THAT(norm(kInf, rows_columns), ElementsAre(21, 48));
  EXPECT_THAT(norm(-kInf, {-1, -2}), ElementsAre(9, 36));
  EXPECT_THAT(norm(2, rows_columns),
              ElementsAre(DoubleNear(14.226707, 1e-4), DoubleNear(39.759212, 1e-4)));
  EXPECT_THAT(norm(-2, columns_rows), ElementsAre(DoubleNear(0, 1e-5), DoubleNear(0, 1e-5)));
  for (const char* ord : {"f", "fro"}) {
    EXPECT_THAT(values_of(linalg::norm(a, ord, rows_columns)),
                ElementsAre(DoubleNear(14.282857, 1e-4), DoubleNear(39.761791, 1e-4)));
  }
  EXPECT_THAT(values_of(linalg::norm(a, "nuc", std::vector<int>{0, 1})),
              ElementsAre(DoubleNear(25.045408, 1e-4), DoubleNear(26.893724, 1e-4),
                          DoubleNear(28.831797, 1e-4)));
  for (const double ord : {1.0, -1.0, 2.0, -2.0, kInf, -kInf}) {
    EXPECT_EQ(linalg::norm(a, ord, std::vector<int>{2, 0}, true).shape(), (Shape{1, 3, 1}));
  }
  EXPECT_EQ(linalg::norm(a, "nuc", std::vector<int>{2, 0}, true).shape(), (Shape{1, 3, 1}));
  EXPECT_EQ(linalg::norm(a, "fro", std::vector<int>{2, 0}, true).shape(), (Shape{1, 3, 1}));
}

TEST(Norm, dtypes) {
  EXPECT_EQ(linalg::norm(arange(3)).dtype(), float32);
  EXPECT_EQ(linalg::norm(arange(3), 0.0).dtype(), float32);
  EXPECT_EQ(linalg::norm(zeros({2}, float64)).dtype(), float64);
  EXPECT_EQ(linalg::norm(zeros({2, 2}, bfloat16), 2.0).dtype(), bfloat16);
  // The square of 300 is no float16.
  array large = linalg::norm(array({300.0f, 400.0f}, float16));
  EXPECT_EQ(large.dtype(), float16);
  EXPECT_THAT(values_of(large), ElementsAre(500));
  array z = view(array({3.0f, 4.0f}), complex64);
  for (const double ord : {1.0, 2.0, kInf, 3.0}) {
    EXPECT_EQ(linalg::norm(z, ord).dtype(), float32);
    EXPECT_THAT(values_of(linalg::norm(z, ord)), ElementsAre(DoubleNear(5, 1e-5)));
  }
}

TEST(Norm, mistakes) {
  array a = zeros({2, 3, 4});
  EXPECT_THROW(linalg::norm(array(2.0f), 0), std::out_of_range);
  EXPECT_THROW(linalg::norm(a, 3), std::out_of_range);
  EXPECT_THROW(linalg::norm(a, 1.0), std::invalid_argument);
  EXPECT_THROW(linalg::norm(a, std::vector<int>{0, 1, 2}), std::invalid_argument);
  EXPECT_THROW(linalg::norm(a, 2.0, std::vector<int>{0, 0}), std::invalid_argument);
  EXPECT_THROW(linalg::norm(a, 3.0, std::vector<int>{0, 1}), std::invalid_argument);
  EXPECT_THROW(linalg::norm(a, "fro"), std::invalid_argument);
  EXPECT_THROW(linalg::norm(a, "other", std::vector<int>{0, 1}), std::invalid_argument);
}

TEST(Cross, of_three_and_two_elements) {
  array a({1.0f, 2.0f, 3.0f}), b({4.0f, 5.0f, 7.0f});
  EXPECT_THAT(values_of(linalg::cross(a, b)), ElementsAre(-1, 5, -3));
  array p({1.0f, 2.0f}), q({4, 5});
  EXPECT_THAT(values_of(linalg::cross(a, p)), ElementsAre(-6, 3, 0));
  EXPECT_THAT(values_of(linalg::cross(p, a)), ElementsAre(6, -3, 0));
  EXPECT_THAT(values_of(linalg::cross(p, q)), ElementsAre(0, 0, -3));
  EXPECT_EQ(linalg::cross(p, q).dtype(), float32);
}

TEST(Cross, broadcasts_and_takes_an_axis) {
  array a = random_array({2, 1, 3}), b = random_array({4, 3});
  array product = linalg::cross(a, b);
  EXPECT_EQ(product.shape(), (Shape{2, 4, 3}));
  expect_close(sum(multiply(product, a), -1), zeros({2, 4}, float64));
  expect_close(sum(multiply(product, b), -1), zeros({2, 4}, float64));
  array c = random_array({3, 5}), d = random_array({3, 5});
  expect_close(linalg::cross(c, d, 0), transpose(linalg::cross(transpose(c), transpose(d))));
  EXPECT_THROW(linalg::cross(zeros({4}), zeros({4})), std::invalid_argument);
  EXPECT_THROW(linalg::cross(a, b, 3), std::invalid_argument);
}

}  // namespace
}  // namespace tarn
