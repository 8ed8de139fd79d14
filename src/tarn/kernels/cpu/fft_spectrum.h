// The spectrum of 2n real numbers from that of n complex ones made of pairs of them, and back: of
// two elements at once, k and n - k. For any T that adds and multiplies, floats or packs.
#pragma once

#include "tarn/base/fn.h"

namespace tarn::cpu {

template <class T>
struct SpectrumElement {
  T re;
  T im;
};

template <class T>
struct SpectrumPair {
  SpectrumElement<T> at_k;
  SpectrumElement<T> at_rest;  // n - k
};

// `w` is exp(-pi i k / n). The sum and difference of the one and the conjugate of the other are the
// spectra of the even and of the odd numbers.
template <class T>
TARN_FN SpectrumPair<T> split_spectrum(SpectrumPair<T> z, SpectrumElement<T> w, T half) {
  const T even_re = (z.at_k.re + z.at_rest.re) * half, even_im = (z.at_k.im - z.at_rest.im) * half;
  const T odd_re = (z.at_k.im + z.at_rest.im) * half, odd_im = (z.at_rest.re - z.at_k.re) * half;
  const T turned_re = odd_re * w.re - odd_im * w.im, turned_im = odd_re * w.im + odd_im * w.re;
  return {{even_re + turned_re, even_im + turned_im}, {even_re - turned_re, turned_im - even_im}};
}

// Twice the inverse.
template <class T>
TARN_FN SpectrumPair<T> merge_spectrum(SpectrumPair<T> x, SpectrumElement<T> w) {
  const T even_re = x.at_k.re + x.at_rest.re, even_im = x.at_k.im - x.at_rest.im;
  const T turned_re = x.at_k.re - x.at_rest.re, turned_im = x.at_k.im + x.at_rest.im;
  const T odd_re = turned_re * w.re + turned_im * w.im,
          odd_im = turned_im * w.re - turned_re * w.im;
  return {{even_re - odd_im, even_im + odd_re}, {even_re + odd_im, odd_re - even_im}};
}

}  // namespace tarn::cpu
