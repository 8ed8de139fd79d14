// Small programs that together reach all parts of the runtime. Each may be cut short anywhere by an
// exception; what it hands to the trace before is looked at.
#include "tests/contract/programs.h"

#include <chrono>
#include <numeric>
#include <stop_token>

#include "tarn/io/npy_header.h"
#include "tarn/io/safetensors_header.h"
#include "tests/faults/trial.h"
#include "tests/io/faulty_system_calls.h"

namespace tarn::faults {

namespace {

using contract::fail;
using contract::fail_at_first;
using contract::fill;
using contract::kShape;
using contract::plus;
using contract::sum_of;

// Always the same two, so that thousands of runs do not need thousands of streams.
Stream stream_1() {
  static const Stream stream = contract::cpu_stream();
  return stream;
}
Stream stream_2() {
  static const Stream stream = contract::cpu_stream();
  return stream;
}

void chain_on_one_stream(Trace& trace) {
  Stream s = stream_1();
  array a = arange(0, 60, s);
  array b = trace.keep(sum(a, 0, false, s));
  array c = trace.keep(plus(astype(b, float32, s), 1, s));
  array d = trace.keep(add(c, astype(b, float32, s), s));
  eval(d);
}

void two_streams_that_need_each_other(Trace& trace) {
  Stream s = stream_1(), s2 = stream_2();
  array a = trace.keep(plus(fill(1, s), 1, s));
  array b = trace.keep(plus(a, 10, s2));
  array c = trace.keep(plus(b, 100, s));
  array d = trace.keep(sum_of({a, b, c}, s2));
  array other = trace.keep(plus(fill(5, s2), 1, s2));
  async_eval(other);
  async_eval(c, d);
  d.wait();
  other.wait();
}

void fused_group(Trace& trace) {
  Stream s = stream_1();
  array x = arange(0.0, 100.0, s);
  array y = trace.keep(multiply(x, x, s));  // a handle is left: an output of the group
  array z = subtract(exp(divide(x, array(100.0f), s), s), y, s);
  array w = trace.keep(where(greater(z, y, s), abs(z, s), sqrt(y, s), s));
  array u = trace.keep(add(reshape(z, {10, 10}, s), array(1.0f), s));
  eval(w, u);
}

void reductions_and_products(Trace& trace) {
  Stream s = stream_1();
  array a = reshape(arange(0.0, 70000.0, s), {700, 100}, s);
  array b = divide(a, array(7e4f), s);
  trace.keep(softmax(b, -1, false, s));
  trace.keep(argmax(b, 0, false, s));
  trace.keep(mean(b, std::vector<int>{0, 1}, false, s));
  // Sums of what is in no memory: by rows, by columns, and where it has to be stored after all.
  array c = reshape(subtract(b, array(0.5f), s), {7, 100, 100}, s);
  trace.keep(sum(multiply(c, c, s), 2, false, s));
  trace.keep(sum(multiply(c, c, s), 0, false, s));
  trace.keep(sum(multiply(c, c, s), {0, 2}, false, s));
  trace.keep(matmul(transpose(b, s), b, s));
  async_eval(trace.arrays());  // by a worker
  eval(trace.arrays());
}

void linear_algebra(Trace& trace) {
  Stream s = stream_1();
  array a = add(ones({9, 9}, s), multiply(array(9.0f), eye(9, s), s), s);
  trace.keep(linalg::cholesky(a, false, s));
  trace.keep(linalg::solve(a, ones({9}, s), s));
  trace.keep(linalg::inv(zeros({3, 3}, s), s));
  (void)try_eval(trace.arrays());
}

void views_and_parts(Trace& trace) {
  Stream s = stream_1();
  array a = reshape(arange(0, 24, s), {2, 3, 4}, s);
  array b = transpose(a, {2, 0, 1}, s);
  trace.keep(reshape(b, {8, 3}, s));  // copies
  trace.keep(slice(b, {3, 0, 0}, {-5, 2, 3}, {-2, 1, 2}, s));
  trace.keep(concatenate({b, broadcast_to(array(7), {1, 2, 3}, s)}, 0, s));
  trace.keep(take(a, array({2, 0}), 1, s));
  trace.keep(view(squeeze(expand_dims(a, 0, s), 0, s), int16, s));
  eval(trace.arrays());
}

void writes_over_dying_inputs(Trace& trace) {
  Stream s = stream_1();
  const auto rows = [s] { return reshape(add(arange(0, 24, s), array(1), s), {6, 4}, s); };
  trace.keep(
      cummax(cumsum(cumsum(rows(), 0, false, true, s), 1, true, true, s), 0, false, true, s));
  trace.keep(scatter_add(rows(), array({5, 0, 5}), ones({3, 1, 4}, int32, s), 0, s));
  trace.keep(scatter(rows(), array({1, 6}), ones({2, 1, 4}, int32, s), 0, s));  // 6: out of bounds
  trace.keep(slice_update(rows(), array(-1), Shape{1, 1}, Shape{5, 3}, s));
  trace.keep(put_along_axis(rows(), array({0, 3}, {1, 2}), array(-1), 1, s));
  trace.keep(masked_scatter(rows(), greater(rows(), array(20), s), arange(100, 104, s), s));
  (void)try_eval(trace.arrays());
}

void sorting_transforms_and_random_numbers(Trace& trace) {
  Stream s = stream_1();
  array bits = random::bits({4, 600}, 4, random::key(1), s);
  trace.keep(sort(bits, 1, s));
  trace.keep(argsort(bits, 0, s));
  trace.keep(topk(bits, 5, 1, s));
  array x = random::uniform({4, 600}, float32, random::key(2), s);
  trace.keep(fft::rfft(x, 601, 1, fft::FFTNorm::Backward, s));
  trace.keep(fft::ifft2(astype(x, complex64, s), {0, 1}, fft::FFTNorm::Backward, s));
  trace.keep(var(x, 1, false, 1, s));
  trace.keep(random::permutation(x, 1, random::key(3), s));
  eval(trace.arrays());
}

void layers_of_networks(Trace& trace) {
  Stream s = stream_1();
  const auto values = [s](Shape shape) {
    return random::uniform(-1.0f, 1.0f, shape, float32, random::key(4), s);
  };
  trace.keep(conv2d(values({2, 20, 20, 8}), values({16, 3, 3, 8}), {1, 1}, {1, 1}, {1, 1}, 1, s));
  trace.keep(conv1d(values({2, 50, 8}), values({8, 3, 1}), 1, 1, 1, 8, s));
  trace.keep(conv_transpose1d(astype(values({2, 9, 4}), float16, s),
                              astype(values({6, 3, 4}), float16, s), 2, 1, 1, 0, 1, s));
  const array heads = values({1, 2, 70, 16});
  trace.keep(
      fast::scaled_dot_product_attention(heads, heads, heads, 0.25f, "causal", {}, {}, false, s));
  trace.keep(fast::layer_norm(values({30, 40}), ones({40}, s), std::nullopt, 1e-5f, s));
  trace.keep(fast::rope(values({1, 7, 16}), 8, false, 10000.0f, 1.0f, 3, std::nullopt, s));
  trace.keep(hadamard_transform(values({12, 24}), std::nullopt, s));
  const std::vector<array> codes = quantize(values({40, 64}), 32, 4, "affine", std::nullopt, s);
  for (int rows : {1, 20}) {
    trace.keep(quantized_matmul(values({rows, 64}), codes[0], codes[1], codes[2], true, 32, 4,
                                "affine", s));
  }
  eval(trace.arrays());
}

void operations_of_the_user(Trace& trace) {
  Stream s = stream_1(), s2 = stream_2();
  auto both = std::make_shared<contract::Operation>(
      s, "both", [](const std::vector<array>& inputs, std::vector<array>& outputs) {
        contract::fill_output(outputs[0], contract::value_of(inputs[0]));
        contract::fill_output(outputs[1], -contract::value_of(inputs[0]));
      });
  std::vector<array> outputs =
      array::make_arrays({kShape, kShape}, {float32, float32}, both, {fill(3, s2)});
  for (const array& output : outputs) trace.keep(output);
  trace.keep(contract::operation("nested", s, {outputs[1]}, [s, s2](auto& inputs, auto& results) {
    array inside = plus(plus(inputs[0], 1, s), 1, s2);
    eval(inside);
    contract::fill_output(results[0], contract::value_of(inside));
  }));
  trace.keep(contract::operation("nested", s, {outputs[0]}, [s, s2](auto& inputs, auto& results) {
    array inside = plus(plus(inputs[0], 1, s2), 1, s);
    EvalOptions far_away;
    far_away.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
    eval({inside}, far_away);
    contract::fill_output(results[0], contract::value_of(inside));
  }));
  eval(trace.arrays());
}

// Files that are there before any fault is.
class SampleFiles {
 public:
  static const SampleFiles& instance() {
    static const SampleFiles files;
    return files;
  }
  std::string npy() const { return directory_ / "a.npy"; }
  std::string safetensors() const { return directory_ / "a.safetensors"; }
  std::string saved() const { return directory_ / "saved.npy"; }

 private:
  SampleFiles() {
    std::vector<int32_t> values(1000);
    std::iota(values.begin(), values.end(), 0);
    const std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * 4);
    const std::string header = io::compose_npy_header(int32, std::vector<int64_t>{1000}, false);
    const io::SafetensorsSpec specs[] = {{"a", int32, {1000}}, {"b", uint16, {2000}}};
    io::write_file(npy(), header + bytes);
    io::write_file(saved(), header + bytes);
    io::write_file(safetensors(), io::compose_safetensors_header(specs, {}) + bytes + bytes);
  }
  io::TemporaryDirectory directory_;
};

void lazy_load(Trace& trace) {
  const SampleFiles& files = SampleFiles::instance();
  Stream s = stream_1();
  trace.keep(add(load(files.npy(), s), array(1), s));
  LoadOptions options;
  options.stream = s;
  options.on_progress = [](const LoadProgress&) {};
  SafetensorsLoad loaded = load_safetensors(files.safetensors(), options);
  array a = trace.keep(loaded.first.at("a"));
  trace.keep(loaded.first.at("b"));
  trace.keep(sum(a, s));
  eval(trace.arrays());
}

void save_and_load(Trace& trace) {
  const SampleFiles& files = SampleFiles::instance();
  Stream s = stream_1();
  array a = trace.keep(arange(0, 1000, s));
  save(files.saved(), a);
  trace.keep(load(files.saved(), s));
  eval(trace.arrays());
}

void deadlines_and_cancellation(Trace& trace) {
  Stream s = stream_1(), s2 = stream_2();
  array a = trace.keep(plus(fill(1, s), 1, s));
  array b = trace.keep(plus(a, 1, s2));
  array c = trace.keep(plus(fill(2, s2), 1, s));
  array d = trace.keep(plus(fill(3, s2), 1, s2));
  EvalOptions far_away;
  far_away.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
  eval({d}, far_away);
  EvalOptions past;
  past.deadline = std::chrono::steady_clock::time_point::min();
  async_eval({b}, past);
  std::stop_source stop;
  EvalOptions cancellable;
  cancellable.stop = stop.get_token();
  async_eval({c}, cancellable);
  stop.request_stop();
  try {
    eval(c);
  } catch (const CancelledError&) {
    // Or it was faster.
  }
  a.wait();
}

void a_retry(Trace& trace) {
  Stream s = stream_1(), s2 = stream_2();
  array a = fail_at_first(1, "A", 1, s);
  array b = trace.keep(plus(a, 1, s2));
  array c = trace.keep(add(b, array(1.0f), s));
  try {
    eval(c);
  } catch (const EvalError&) {
    // It is meant to, but may do so for another reason.
  }
  retry({c});
}

void callbacks(Trace& trace) {
  Stream s = stream_1(), s2 = stream_2();
  array a = trace.keep(plus(fill(1, s), 1, s));
  array b = trace.keep(fail("B", s2));
  for (const array& each : {a, b}) {
    on_settled(each, [&trace](const array&) { trace.happens(); });
    trace.promise();
  }
  a.wait();
}

void events_and_tasks(Trace& trace) {
  Stream s = stream_1(), s2 = stream_2();
  array a = trace.keep(fill(1, s));
  async_eval(a);
  Event ready(s);
  ready.signal(s);
  ready.wait(s2);
  scheduler::enqueue(s2, [&trace] { trace.happens(); });
  trace.promise(/*by_thread=*/true);
  array b = trace.keep(plus(a, 1, s2));
  eval(b);
  ready.wait();
  Event of_array = b.event();
  of_array.wait();
  synchronize(s2);
}

void progress(Trace& trace) {
  Stream s = stream_1(), s2 = stream_2();
  EvalOptions options;
  // The last call may come after the evaluation has returned.
  auto n_told = std::make_shared<size_t>(0);
  options.on_progress = [n_told](const EvalProgress&) { ++*n_told; };
  trace.keep(plus(plus(fill(1, s), 1, s2), 1, s));
  eval(trace.arrays(), options);
}

void healthy_beside_failing(Trace& trace) {
  Stream s = stream_1(), s2 = stream_2();
  array a = trace.keep(fail("A", s));
  array x = fill(1, s);
  array healthy = trace.keep(add(x, x, s));
  trace.keep(add(a, healthy, s));
  trace.keep(plus(fill(1, s2), 1, s2));
  trace.keep(sum_of({fail("B", s2), a}, s));
  (void)try_eval(trace.arrays());
}

void drop_everything(Trace&) {
  Stream s = stream_1(), s2 = stream_2();
  array a = fill(1, s);
  for (int i = 0; i < 10; ++i) a = plus(a, 1, i % 2 == 0 ? s : s2);
  async_eval(a, fail("A", s2));
}

}  // namespace

void prepare_files() { SampleFiles::instance(); }

const std::vector<Program>& programs() {
  static const std::vector<Program> all{
      {"chain_on_one_stream", chain_on_one_stream},
      {"two_streams_that_need_each_other", two_streams_that_need_each_other},
      {"fused_group", fused_group},
      {"reductions_and_products", reductions_and_products},
      {"linear_algebra",
       linear_algebra,
       {},
       "OpenBLAS, which makes its threads anew in the child of a fork, ends a process that has "
       "none"},
      {"views_and_parts", views_and_parts},
      {"writes_over_dying_inputs", writes_over_dying_inputs},
      {"sorting_transforms_and_random_numbers", sorting_transforms_and_random_numbers},
      {"layers_of_networks", layers_of_networks},
      {"operations_of_the_user", operations_of_the_user},
      {"lazy_load", lazy_load},
      {"save_and_load", save_and_load},
      {"deadlines_and_cancellation",
       deadlines_and_cancellation,
       {FailureKind::deadline, FailureKind::cancelled}},
      // The failure of the first time may be another one, and then this one is the second's.
      {"a_retry", a_retry, {FailureKind::operation}},
      {"callbacks", callbacks},
      {"events_and_tasks", events_and_tasks},
      {"progress", progress},
      {"healthy_beside_failing", healthy_beside_failing},
      {"drop_everything", drop_everything},
  };
  return all;
}

}  // namespace tarn::faults
