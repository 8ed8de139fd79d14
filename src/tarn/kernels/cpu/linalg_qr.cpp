// Orthogonal bases of columns.
#include "tarn/kernels/cpu/lapack.h"
#include "tarn/kernels/cpu/linalg.h"

namespace tarn::cpu {

namespace {

// Factors one matrix after another with memory of its own.
template <class T>
class QrWorker {
 public:
  QrWorker(int64_t m, int64_t n)
      : m_(m), n_(n), k_(std::min(m, n)), factored_(new T[m * n]), blocked_(k_ >= kBlockedOrder) {
    if (blocked_) {
      basis_.reset(new T[m * k_]);
      reflectors_.reset(new T[k_ * kBlock]);
      work_size_ = workspace_size("qr", static_cast<double>(n * kBlock));
    } else {
      reflectors_.reset(new T[k_]);
      work_size_ = workspace_size("qr", static_cast<double>(n * kUnblockedWork));
    }
    work_.reset(new T[work_size_]);
  }

  lapack_int factor(const View& a, const View& q, const View& r) const {
    if (k_ == 0) return kFine;
    copy_by_columns(a, factored_.get());
    if (!all_finite(factored_.get(), a.size)) return kNotFinite;
    const lapack_int info = blocked_ ? factor_blocked(r) : factor_unblocked(r);
    if (info != kFine) return info;
    copy_from_columns(blocked_ ? basis_.get() : factored_.get(), m_, q);
    const bool finite = all_finite(q.as<T>(), q.size) && all_finite(r.as<T>(), r.size);
    return finite ? kFine : kOverflow;
  }

 private:
  // From this order on blocks are worth their overhead. At 1024 they save a fifth of the time:
  // geqrt's panels are recursive, and its triangular factors are used again for Q.
  static constexpr int64_t kBlockedOrder = 128;
  static constexpr int64_t kBlock = 64;
  // Columns that geqrf and orgqr want of work space: their block size.
  static constexpr int64_t kUnblockedWork = 32;

  void store_r(const View& r) const {
    copy_from_columns(factored_.get(), m_, r);
    clear_triangle(r.as<T>(), k_, n_, true);
  }

  lapack_int factor_unblocked(const View& r) const {
    const lapack_int m = lapack_size(m_), n = lapack_size(n_), k = lapack_size(k_);
    T* const a = factored_.get();
    lapack_int info =
        Lapack<T>::geqrf(LAPACK_COL_MAJOR, m, n, a, m, reflectors_.get(), work_.get(), work_size_);
    if (info != kFine) return info;
    store_r(r);
    return Lapack<T>::orgqr(LAPACK_COL_MAJOR, m, k, k, a, m, reflectors_.get(), work_.get(),
                            work_size_);
  }

  lapack_int factor_blocked(const View& r) const {
    const lapack_int m = lapack_size(m_), n = lapack_size(n_);
    constexpr lapack_int kWidth = kBlock;
    T* const a = factored_.get();
    const lapack_int info = Lapack<T>::geqrt(LAPACK_COL_MAJOR, m, n, kWidth, a, m,
                                             reflectors_.get(), kWidth, work_.get());
    if (info != kFine) return info;
    store_r(r);
    std::fill_n(basis_.get(), m_ * k_, T{0});
    for (int64_t i = 0; i < k_; ++i) basis_[i * m_ + i] = 1;
    // The reflections of block i leave the first columns of the identity as they are.
    for (int64_t i = (k_ - 1) / kBlock * kBlock; i >= 0; i -= kBlock) {
      const int64_t corner = i * m_ + i;
      const lapack_int width = lapack_size(std::min(kBlock, k_ - i));
      const lapack_int n_rows = lapack_size(m_ - i), n_columns = lapack_size(k_ - i);
      Lapack<T>::larfb(LAPACK_COL_MAJOR, 'L', 'N', 'F', 'C', n_rows, n_columns, width, a + corner,
                       m, &reflectors_[i * kBlock], kWidth, &basis_[corner], m, work_.get(),
                       n_columns);
    }
    return kFine;
  }

  const int64_t m_, n_, k_;
  const std::unique_ptr<T[]> factored_;  // by columns
  const bool blocked_;
  std::unique_ptr<T[]> basis_;       // Q by columns, if blocked
  std::unique_ptr<T[]> reflectors_;  // their factors; triangles of a block each if blocked
  std::unique_ptr<T[]> work_;
  lapack_int work_size_;
};

}  // namespace

void qr(const View& a, const View& q, const View& r) {
  const MatrixBatch matrices(a), qs(q), rs(r);
  const int64_t m = rows(a), n = columns(a);
  by_real_type(a.dtype, [&]<class T>(T) {
    const Defect defect = for_each_matrix(matrices.size(), std::min(m, n), [&] {
      return [&, worker = QrWorker<T>(m, n)](int64_t i) {
        return worker.factor(matrices[i], qs[i], rs[i]);
      };
    });
    throw_if_defect("qr", matrices.size(), defect, [](lapack_int) { return std::string(); });
  });
}

}  // namespace tarn::cpu
