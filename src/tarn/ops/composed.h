// The public functions that do not go by the name of a kernel, a view or an elementwise operation:
// what lists of operations say of them. Of the others their structs say it.
#pragma once

#include "tarn/ops/op_info.h"

// X(family, name, arguments, kinds of dtype, what it gives); a family is a header of functions/.
#define TARN_COMPOSED_OPS(X)                                                                       \
  X(conv, conv1d, "input, weight, stride=1, padding=0, dilation=1, groups=1", kFloatingKind,       \
    "Convolutions along one axis.")                                                                \
  X(conv, conv2d, "input, weight, stride=1, padding=0, dilation=1, groups=1", kFloatingKind,       \
    "Convolutions along two axes.")                                                                \
  X(conv, conv3d, "input, weight, stride=1, padding=0, dilation=1, groups=1", kFloatingKind,       \
    "Convolutions along three axes.")                                                              \
  X(conv, conv_transpose1d,                                                                        \
    "input, weight, stride=1, padding=0, dilation=1, output_padding=0, groups=1", kFloatingKind,   \
    "Transposed convolutions along one axis.")                                                     \
  X(conv, conv_transpose2d,                                                                        \
    "input, weight, stride=1, padding=0, dilation=1, output_padding=0, groups=1", kFloatingKind,   \
    "Transposed convolutions along two axes.")                                                     \
  X(conv, conv_transpose3d,                                                                        \
    "input, weight, stride=1, padding=0, dilation=1, output_padding=0, groups=1", kFloatingKind,   \
    "Transposed convolutions along three axes.")                                                   \
  X(creation, bartlett, "M", kFloatingKind, "A triangular window.")                                \
  X(creation, blackman, "M", kFloatingKind, "A window of two cosines.")                            \
  X(creation, full, "shape, vals, dtype=None", kAllKinds, "Values broadcast to a shape.")          \
  X(creation, full_like, "a, vals, dtype=None", kAllKinds, "Values broadcast to another's shape.") \
  X(creation, hamming, "M", kFloatingKind, "A raised cosine window that does not reach zero.")     \
  X(creation, hanning, "M", kFloatingKind, "A raised cosine window.")                              \
  X(creation, identity, "n, dtype=float32", kAllKinds, "Ones on the main diagonal, else zeros.")   \
  X(creation, linspace, "start, stop, num=50, endpoint=True", kAllKinds,                           \
    "Numbers at equal distances between two.")                                                     \
  X(creation, meshgrid, "arrays, sparse=False, indexing=\"xy\"", kAllKinds,                        \
    "The coordinates of the points of a grid.")                                                    \
  X(creation, ones, "shape, dtype=float32", kAllKinds, "Ones.")                                    \
  X(creation, ones_like, "a, dtype=None", kAllKinds, "Ones in another's shape.")                   \
  X(creation, zeros, "shape, dtype=float32", kAllKinds, "Zeros.")                                  \
  X(creation, zeros_like, "a, dtype=None", kAllKinds, "Zeros in another's shape.")                 \
  X(diagonals, diag, "a, k=0", kAllKinds, "A diagonal of a matrix, or a matrix from one.")         \
  X(diagonals, trace, "a, offset=0, axis1=0, axis2=1", kAllKinds, "The sum of a diagonal.")        \
  X(diagonals, tri, "n, m, k, dtype", kAllKinds, "Ones in a lower triangle, else zeros.")          \
  X(diagonals, tril, "x, k=0", kAllKinds, "The lower triangle, else zeros.")                       \
  X(diagonals, triu, "x, k=0", kAllKinds, "The upper triangle, else zeros.")                       \
  X(elementwise, allclose, "a, b, rtol=1e-5, atol=1e-8", kAllKinds,                                \
    "Whether all elements are nearly equal.")                                                      \
  X(elementwise, clip, "a, a_min=None, a_max=None", kAllKinds, "The elements kept within bounds.") \
  X(elementwise, degrees, "a", kAllKinds, "Radians as degrees.")                                   \
  X(elementwise, divmod, "a, b", kAllKinds & ~kComplexKind, "Quotient and remainder.")             \
  X(elementwise, isclose, "a, b, rtol=1e-5, atol=1e-8", kAllKinds,                                 \
    "Whether elements are nearly equal.")                                                          \
  X(elementwise, isneginf, "a", kAllKinds, "Whether x is minus infinity.")                         \
  X(elementwise, isposinf, "a", kAllKinds, "Whether x is infinity.")                               \
  X(elementwise, logical_xor, "a, b", kAllKinds, "True where a or b is nonzero, not both.")        \
  X(elementwise, nan_to_num, "a, nan=0, posinf=None, neginf=None", kAllKinds & ~kComplexKind,      \
    "What is no finite number replaced by one.")                                                   \
  X(elementwise, positive, "a", kAllKinds, "x itself.")                                            \
  X(elementwise, radians, "a", kAllKinds, "Degrees as radians.")                                   \
  X(fast, precompiled_cuda_kernel,                                                                 \
    "name, compiled_source, inputs, output_shapes, output_dtypes, scalars, grid, threadgroup",     \
    kAllKinds, "What a kernel of CUDA gives, in builds that have CUDA.")                           \
  X(fft, fft2, "a, s=None, axes=None, norm=\"backward\"", kAllKinds,                               \
    "Fourier transforms of two axes.")                                                             \
  X(fft, fftfreq, "n, d=1.0", kAllKinds, "The frequencies that fft gives.")                        \
  X(fft, fftn, "a, s=None, axes=None, norm=\"backward\"", kAllKinds,                               \
    "Fourier transforms of several axes.")                                                         \
  X(fft, fftshift, "a, axes=None", kAllKinds, "The frequency zero moved to the middle.")           \
  X(fft, ifft, "a, n=None, axis=-1, norm=\"backward\"", kAllKinds,                                 \
    "Inverse Fourier transforms of an axis.")                                                      \
  X(fft, ifft2, "a, s=None, axes=None, norm=\"backward\"", kAllKinds,                              \
    "Inverse Fourier transforms of two axes.")                                                     \
  X(fft, ifftn, "a, s=None, axes=None, norm=\"backward\"", kAllKinds,                              \
    "Inverse Fourier transforms of several axes.")                                                 \
  X(fft, ifftshift, "a, axes=None", kAllKinds, "The frequency zero moved to the front.")           \
  X(fft, irfft, "a, n=None, axis=-1, norm=\"backward\"", kAllKinds,                                \
    "The real numbers of such a transform.")                                                       \
  X(fft, irfft2, "a, s=None, axes=None, norm=\"backward\"", kAllKinds, "The same of two axes.")    \
  X(fft, irfftn, "a, s=None, axes=None, norm=\"backward\"", kAllKinds,                             \
    "The same of several axes.")                                                                   \
  X(fft, rfft, "a, n=None, axis=-1, norm=\"backward\"", kAllKinds,                                 \
    "Fourier transforms of real numbers.")                                                         \
  X(fft, rfft2, "a, s=None, axes=None, norm=\"backward\"", kAllKinds, "The same of two axes.")     \
  X(fft, rfftfreq, "n, d=1.0", kAllKinds, "The frequencies that rfft gives.")                      \
  X(fft, rfftn, "a, s=None, axes=None, norm=\"backward\"", kAllKinds, "The same of several axes.") \
  X(indexing, stack, "arrays, axis=0", kAllKinds, "Arrays joined along a new axis.")               \
  X(linalg, cholesky_inv, "a, upper=False", kFloatingKind, "Inverses from Cholesky factors.")      \
  X(linalg, cross, "a, b, axis=-1", kAllKinds, "Cross products of vectors.")                       \
  X(linalg, eigvals, "a", kInexactKinds, "Eigenvalues of square matrices.")                        \
  X(linalg, eigvalsh, "a, UPLO=\"L\"", kInexactKinds, "Eigenvalues of symmetric matrices.")        \
  X(linalg, norm, "a, ord=None, axis=None, keepdims=False", kAllKinds,                             \
    "Norms of vectors and matrices.")                                                              \
  X(linalg, pinv, "a", kFloatingKind, "Moore-Penrose inverses.")                                   \
  X(matmul, addmm, "c, a, b, alpha=1, beta=1", kInexactKinds, "alpha a b + beta c.")               \
  X(matmul, block_masked_mm, "a, b, block_size, mask_out, mask_lhs, mask_rhs", kInexactKinds,      \
    "Products of matrices of which masks choose blocks.")                                          \
  X(matmul, einsum, "subscripts, operands", kAllKinds, "Sums of products by subscripts.")          \
  X(matmul, inner, "a, b", kInexactKinds, "Products over the last axes.")                          \
  X(matmul, kron, "a, b", kAllKinds, "Kronecker products.")                                        \
  X(matmul, outer, "a, b", kAllKinds, "Products of all elements of two vectors.")                  \
  X(matmul, tensordot, "a, b, axes=2", kInexactKinds, "Products over several axes.")               \
  X(matmul, vecdot, "a, b, axis=-1", kAllKinds, "Dot products along an axis.")                     \
  X(quantized, gather_qqmm, "x, w, scales_w=None, lhs_indices=None, rhs_indices=None",             \
    kFloatingKind, "Products of quantized matrices that indices pick.")                            \
  X(quantized, qqmm, "x, w, w_scales=None, group_size=None, bits=None, mode=\"nvfp4\"",            \
    kFloatingKind, "Products of two quantized matrices.")                                          \
  X(random, bernoulli, "p=0.5, shape=None, key=None", kBoolKind, "True with a probability.")       \
  X(random, bits, "shape, width=4, key=None", kUnsignedKind, "Random bits.")                       \
  X(random, categorical, "logits, axis=-1, shape=None, key=None", kUnsignedKind,                   \
    "Indices by the logarithms of their weights.")                                                 \
  X(random, gumbel, "shape, dtype=float32, key=None", kFloatingKind,                               \
    "Gumbel distributed numbers.")                                                                 \
  X(random, key, "seed", kUnsignedKind, "The key of a seed.")                                      \
  X(random, laplace, "shape, dtype=float32, loc=0, scale=1", kFloatingKind,                        \
    "Laplace distributed numbers.")                                                                \
  X(random, multivariate_normal, "mean, cov, shape, dtype=float32", kFloatingKind,                 \
    "Normally distributed vectors.")                                                               \
  X(random, normal, "shape, dtype=float32, loc=0, scale=1", kInexactKinds,                         \
    "Normally distributed numbers.")                                                               \
  X(random, permutation, "x, axis=0, key=None", kAllKinds,                                         \
    "The slices of an axis in random order.")                                                      \
  X(random, randint, "low, high, shape, dtype=int32", kBoolKind | kIntegerKinds,                   \
    "Integers of a range.")                                                                        \
  X(random, split, "key, num=2", kUnsignedKind, "New keys from one.")                              \
  X(random, truncated_normal, "lower, upper, shape, dtype=float32", kFloatingKind,                 \
    "Normally distributed numbers of an interval.")                                                \
  X(random, uniform, "low=0, high=1, shape=(), dtype=float32", kFloatingKind,                      \
    "Numbers of an interval.")                                                                     \
  X(rearrange, repeat, "a, repeats, axis=None", kAllKinds, "Each element several times.")          \
  X(rearrange, roll, "a, shift, axis=None", kAllKinds, "The elements moved around the end.")       \
  X(rearrange, tile, "a, reps", kAllKinds, "The whole array several times.")                       \
  X(reduce, argmax, "a, axis=None, keepdims=False", kAllKinds, "Where the largest element is.")    \
  X(reduce, argmin, "a, axis=None, keepdims=False", kAllKinds, "Where the smallest element is.")   \
  X(reduce, array_equal, "a, b, equal_nan=False", kAllKinds, "Whether all elements are equal.")    \
  X(reduce, count_nonzero, "a, axis=None, keepdims=False", kAllKinds,                              \
    "How many elements are not zero.")                                                             \
  X(reduce, diff, "a, n=1, axis=-1", kAllKinds, "Differences of neighbouring elements.")           \
  X(reduce, logsumexp, "a, axis=None, keepdims=False", kAllKinds,                                  \
    "The logarithm of the sum of exponentials.")                                                   \
  X(reduce, mean, "a, axis=None, keepdims=False", kAllKinds, "The mean of the elements.")          \
  X(reduce, number_of_elements, "a, axes, inverted", kAllKinds, "How many elements there are.")    \
  X(reduce, std, "a, axis=None, keepdims=False, ddof=0", kAllKinds, "The root of the variance.")   \
  X(scatter, put_along_axis, "a, indices, values, axis", kAllKinds,                                \
    "Elements along an axis replaced.")                                                            \
  X(scatter, scatter_add, "a, indices, updates, axes", kAllKinds,                                  \
    "Slices replaced by sums with updates.")                                                       \
  X(scatter, scatter_max, "a, indices, updates, axes", kAllKinds,                                  \
    "Slices replaced by maxima with updates.")                                                     \
  X(scatter, scatter_min, "a, indices, updates, axes", kAllKinds,                                  \
    "Slices replaced by minima with updates.")                                                     \
  X(scatter, scatter_prod, "a, indices, updates, axes", kAllKinds,                                 \
    "Slices replaced by products with updates.")                                                   \
  X(scatter, scatter_add_axis, "a, indices, values, axis", kAllKinds,                              \
    "Elements along an axis added to.")                                                            \
  X(scatter, slice_update_add, "src, update, start, stop, strides", kAllKinds,                     \
    "A slice replaced by sums with an update.")                                                    \
  X(scatter, slice_update_max, "src, update, start, stop, strides", kAllKinds,                     \
    "A slice replaced by maxima with an update.")                                                  \
  X(scatter, slice_update_min, "src, update, start, stop, strides", kAllKinds,                     \
    "A slice replaced by minima with an update.")                                                  \
  X(scatter, slice_update_prod, "src, update, start, stop, strides", kAllKinds,                    \
    "A slice replaced by products with an update.")                                                \
  X(shape, atleast_1d, "a", kAllKinds, "With at least one axis.")                                  \
  X(shape, atleast_2d, "a", kAllKinds, "With at least two axes.")                                  \
  X(shape, atleast_3d, "a", kAllKinds, "With at least three axes.")                                \
  X(shape, broadcast_arrays, "arrays", kAllKinds, "Arrays stretched to one shape.")                \
  X(shape, expand_dims, "a, axis", kAllKinds, "With axes of size one added.")                      \
  X(shape, flatten, "a, start_axis=0, end_axis=-1", kAllKinds, "Several axes as one.")             \
  X(shape, flip, "a, axis=None", kAllKinds, "The elements in reverse order.")                      \
  X(shape, moveaxis, "a, source, destination", kAllKinds, "One axis in another place.")            \
  X(shape, split, "a, indices_or_sections, axis=0", kAllKinds, "The pieces of an axis.")           \
  X(shape, squeeze, "a, axis=None", kAllKinds, "Without axes of size one.")                        \
  X(shape, swapaxes, "a, axis1, axis2", kAllKinds, "Two axes in each other's place.")              \
  X(shape, unflatten, "a, axis, shape", kAllKinds, "One axis as several.")                         \
  X(shape, unstack, "a, axis=0", kAllKinds, "The slices along an axis.")                           \
  X(sort, argpartition, "a, kth, axis=-1", kAllKinds, "Where the partitioned elements are.")       \
  X(sort, median, "a, axis=None, keepdims=False", kAllKinds, "The element in the middle.")         \
  X(sort, partition, "a, kth, axis=-1", kAllKinds,                                                 \
    "Smaller elements before the k-th, larger behind.")

namespace tarn {

struct ComposedOp {
  const char* family;
  OpInfo info;
  DtypeKinds accepts;
};

inline constexpr ComposedOp kComposedOps[] = {
#define TARN_ROW(family, name, args, kinds, doc) {#family, {#name, args, doc}, kinds},
    TARN_COMPOSED_OPS(TARN_ROW)
#undef TARN_ROW
};

}  // namespace tarn
