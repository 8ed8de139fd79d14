// The Hadamard matrices, with elements 1 and -1 and orthogonal rows, of order 12, 20 and 28. Those
// of Sloane's library of Hadamard matrices that carry the names of Paley (12) and Williamson (20
// and 28) are built here as these did.
#pragma once

#include <array>
#include <string_view>

namespace tarn::cpu {

// E is float or double.
template <class E, int kOrder>
using HadamardMatrix = std::array<E, size_t(kOrder* kOrder)>;

// Paley's second construction: each element of a symmetric conference matrix becomes a block of
// four. The conference matrix is that of the quadratic residues of 5, bordered by ones.
template <class E>
constexpr HadamardMatrix<E, 12> paley_matrix() {
  constexpr int kResidue[5] = {0, 1, -1, -1, 1};
  constexpr int kOfZero[2][2] = {{1, -1}, {-1, -1}};
  constexpr int kOfOne[2][2] = {{1, 1}, {1, -1}};
  HadamardMatrix<E, 12> matrix{};
  for (int r = 0; r < 12; ++r) {
    for (int c = 0; c < 12; ++c) {
      const int i = r / 2, j = c / 2;
      const int element = i == j ? 0 : i == 0 || j == 0 ? 1 : kResidue[(i - j + 5) % 5];
      matrix[size_t(r * 12 + c)] =
          E(element == 0 ? kOfZero[r % 2][c % 2] : element * kOfOne[r % 2][c % 2]);
    }
  }
  return matrix;
}

// Williamson's construction: four symmetric circulant blocks A, B, C and D, given by their first
// rows, whose squares add up to a multiple of the identity, in the order of a quaternion's matrix.
template <class E, int kOrder>
constexpr HadamardMatrix<E, kOrder> williamson_matrix(const std::string_view (&first_rows)[4]) {
  constexpr int kBlock[4][4] = {{0, 1, 2, 3}, {1, 0, 3, 2}, {2, 3, 0, 1}, {3, 2, 1, 0}};
  constexpr int kSign[4][4] = {{1, 1, 1, 1}, {-1, 1, -1, 1}, {-1, 1, 1, -1}, {-1, -1, 1, 1}};
  constexpr int kSize = kOrder / 4;
  HadamardMatrix<E, kOrder> matrix{};
  for (int r = 0; r < kOrder; ++r) {
    for (int c = 0; c < kOrder; ++c) {
      const int i = r / kSize, j = c / kSize;
      const int place = (c % kSize - r % kSize + kSize) % kSize;
      const bool is_one = first_rows[kBlock[i][j]][size_t(place)] == '+';
      matrix[size_t(r * kOrder + c)] = E(is_one ? kSign[i][j] : -kSign[i][j]);
    }
  }
  return matrix;
}

template <class E>
inline constexpr HadamardMatrix<E, 12> kHadamard12 = paley_matrix<E>();
template <class E>
inline constexpr HadamardMatrix<E, 20> kHadamard20 = williamson_matrix<E, 20>({"+----", "+----",
                                                                               "++--+", "+-++-"});
template <class E>
inline constexpr HadamardMatrix<E, 28> kHadamard28 =
    williamson_matrix<E, 28>({"+------", "++----+", "+-+--+-", "+--++--"});

}  // namespace tarn::cpu
