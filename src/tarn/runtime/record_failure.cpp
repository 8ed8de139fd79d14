#include "tarn/runtime/record_failure.h"

#include <cstdio>
#include <ios>
#include <mutex>
#include <new>
#include <system_error>

#include "tarn/runtime/fork.h"

namespace tarn {

namespace {

// What a node holds of a failure: its end is the end of the last array that failed with this
// record.
class NodeShare {
 public:
  explicit NodeShare(std::shared_ptr<const Failure> record) noexcept;
  ~NodeShare();
  NodeShare(const NodeShare&) = delete;
  NodeShare& operator=(const NodeShare&) = delete;

  const Failure* record() const noexcept { return record_.get(); }

 private:
  friend void tarn::flush_unobserved_failures() noexcept;

  std::shared_ptr<const Failure> record_;
  NodeShare* previous_ = nullptr;  // guarded by Unobserved::mutex
  NodeShare* next_ = nullptr;
};

// Thread-safe. Never destroyed: arrays in static storage may die after it would.
struct Unobserved {
  std::mutex mutex;
  std::shared_ptr<const UnobservedFailureHandler> handler;  // null: the default
  NodeShare* alive = nullptr;
  std::atomic<uint64_t> count{0};

  static Unobserved& instance() noexcept {
    alignas(Unobserved) static unsigned char storage[sizeof(Unobserved)];
    static Unobserved& instance = *new (storage) Unobserved;
    return instance;
  }
};

void print_unobserved(const Failure& failure) {
  std::fprintf(stderr, "tarn: a failure that nobody looked at: %s\n", failure.describe().c_str());
}

void report_unobserved(const Failure& failure) noexcept {
  Unobserved& unobserved = Unobserved::instance();
  unobserved.count.fetch_add(1, std::memory_order_relaxed);
  std::shared_ptr<const UnobservedFailureHandler> handler;
  {
    std::lock_guard lock(unobserved.mutex);
    handler = unobserved.handler;
  }
  try {
    if (handler) {
      (*handler)(failure);
    } else {
      print_unobserved(failure);
    }
  } catch (...) {
    // This runs in destructors and on worker threads: there is nobody to throw at, and the failure
    // has been counted.
  }
}

NodeShare::NodeShare(std::shared_ptr<const Failure> record) noexcept : record_(std::move(record)) {
  Unobserved& unobserved = Unobserved::instance();
  std::lock_guard lock(unobserved.mutex);
  next_ = unobserved.alive;
  if (next_ != nullptr) next_->previous_ = this;
  unobserved.alive = this;
}

NodeShare::~NodeShare() {
  {
    Unobserved& unobserved = Unobserved::instance();
    std::lock_guard lock(unobserved.mutex);
    (previous_ != nullptr ? previous_->next_ : unobserved.alive) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
  }
  if (record_->claim_observation()) report_unobserved(*record_);
}

// Memory for records made when there is no other. A slot is free again when the record is.
class Reserve {
 public:
  static constexpr size_t kSlots = 32;
  static constexpr size_t kSlotBytes = 768;

  void* take(size_t nbytes) noexcept {
    if (nbytes > kSlotBytes) return nullptr;
    for (Slot& slot : slots_) {
      if (!slot.taken.exchange(true)) return slot.bytes;
    }
    return nullptr;
  }
  void give_back(void* bytes) noexcept {
    for (Slot& slot : slots_) {
      if (slot.bytes == bytes) slot.taken.store(false);
    }
  }

  static Reserve& instance() noexcept {
    static constinit Reserve instance;
    return instance;
  }

 private:
  struct Slot {
    alignas(std::max_align_t) unsigned char bytes[kSlotBytes];
    std::atomic<bool> taken;
  };
  Slot slots_[kSlots] = {};
};

template <class T>
struct ReserveAllocator {
  using value_type = T;

  ReserveAllocator() = default;
  template <class U>
  ReserveAllocator(const ReserveAllocator<U>&) noexcept {}

  T* allocate(size_t n) {
    void* bytes = Reserve::instance().take(n * sizeof(T));
    if (bytes == nullptr) throw std::bad_alloc();
    return static_cast<T*>(bytes);
  }
  void deallocate(T* bytes, size_t) noexcept { Reserve::instance().give_back(bytes); }

  friend bool operator==(const ReserveAllocator&, const ReserveAllocator&) = default;
};

FailurePtr node_share(std::shared_ptr<NodeShare> share) noexcept {
  const Failure* record = share->record();
  return FailurePtr(std::move(share), record);
}

// Texts that fit here need no memory: see std::string's small-string optimization.
constexpr size_t kSmallText = 15;

// As much of `text` as there is memory for.
void assign(std::string& to, std::string_view text) noexcept {
  try {
    to = text;
  } catch (const std::bad_alloc&) {
    to = text.substr(0, kSmallText);
  }
}

// Shared by all failures that find even the reserve taken. Made while there is memory; names no
// node.
const FailurePtr& kLastResort = *new FailurePtr([] {
  auto record = std::make_shared<Failure>();
  record->kind = FailureKind::out_of_memory;
  record->message = "out of memory";
  return record;
}());

// Kind, message, exception and details of what was thrown, in this order: the details may throw
// std::bad_alloc.
void describe_exception(const std::exception_ptr& thrown, Failure& record) {
  record.exception = thrown;
  try {
    std::rethrow_exception(thrown);
  } catch (const OperationError& error) {
    record.kind = error.kind();
    assign(record.message, error.what());
    // An error that only says more about another one steps aside for it.
    auto* around = dynamic_cast<const std::nested_exception*>(&error);
    if (around != nullptr && around->nested_ptr()) record.exception = around->nested_ptr();
    static_cast<IoDetails&>(record) = error.io();
  } catch (const EvalError& error) {
    record.kind = error.failure()->kind;
    assign(record.message, error.what());
    static_cast<IoDetails&>(record) = *error.failure();
  } catch (const std::bad_alloc& error) {
    record.kind = FailureKind::out_of_memory;
    assign(record.message, error.what());
  } catch (const std::ios_base::failure& error) {
    record.kind = FailureKind::io;
    assign(record.message, error.what());
  } catch (const std::system_error& error) {
    assign(record.message, error.what());
    if (error.code().category() == std::generic_category() ||
        error.code().category() == std::system_category()) {
      record.error_number = error.code().value();
    }
  } catch (const std::exception& error) {
    assign(record.message, error.what());
  } catch (...) {
    assign(record.message, "an exception that is not a std::exception was thrown");
  }
}

// A record from the reserve; `describe` says of it what happened, and may throw std::bad_alloc when
// it has said what it can.
template <class Describe>
FailurePtr record_without_memory(const FailureSite& site, Describe describe) noexcept {
  try {
    auto record = std::allocate_shared<Failure>(ReserveAllocator<Failure>());
    assign(record->op, site.op);
    record->node = site.node;
    record->stream = site.stream;
    record->device = site.stream.device;
    try {
      describe(*record);
    } catch (const std::bad_alloc&) {
      // The details are lost; kind, message and exception come before them.
    }
    return node_share(
        std::allocate_shared<NodeShare>(ReserveAllocator<NodeShare>(), std::move(record)));
  } catch (const std::bad_alloc&) {
    return kLastResort;
  }
}

void describe_site(const FailureSite& site, Failure& record) {
  record.op = site.op;
  record.node = site.node;
  record.stream = site.stream;
  record.device = site.stream.device;
  record.inputs = site.inputs;
  record.origin = site.origin;
}

FailurePtr publish(std::shared_ptr<Failure> record) {
  return node_share(std::make_shared<NodeShare>(std::move(record)));
}

}  // namespace

FailurePtr record_failure(std::exception_ptr thrown, const FailureSite& site) noexcept {
  try {
    auto record = std::make_shared<Failure>();
    describe_site(site, *record);
    describe_exception(thrown, *record);
    return publish(std::move(record));
  } catch (const std::bad_alloc&) {
    return record_without_memory(site,
                                 [&](Failure& record) { describe_exception(thrown, record); });
  }
}

FailurePtr record_failure(FailureKind kind, std::string_view message, const FailureSite& site,
                          std::exception_ptr cause) noexcept {
  auto describe = [&](Failure& record) {
    record.kind = kind;
    record.exception = cause;
    assign(record.message, message);
  };
  try {
    auto record = std::make_shared<Failure>();
    describe_site(site, *record);
    describe(*record);
    return publish(std::move(record));
  } catch (const std::bad_alloc&) {
    return record_without_memory(site, describe);
  }
}

FailurePtr plain_record(const FailurePtr& failure) noexcept {
  return failure->weak_from_this().lock();
}

UnobservedFailureHandler set_unobserved_failure_handler(UnobservedFailureHandler handler) {
  std::shared_ptr<const UnobservedFailureHandler> next;
  if (handler) next = std::make_shared<const UnobservedFailureHandler>(std::move(handler));
  Unobserved& unobserved = Unobserved::instance();
  {
    std::lock_guard lock(unobserved.mutex);
    next.swap(unobserved.handler);
  }
  return next ? *next : UnobservedFailureHandler();
}

uint64_t unobserved_failure_count() {
  return Unobserved::instance().count.load(std::memory_order_relaxed);
}

void flush_unobserved_failures() noexcept {
  Unobserved& unobserved = Unobserved::instance();
  for (;;) {
    std::shared_ptr<const Failure> found;
    {
      std::lock_guard lock(unobserved.mutex);
      for (NodeShare* share = unobserved.alive; share != nullptr && !found; share = share->next_) {
        if (share->record_->claim_observation()) found = share->record_;
      }
    }
    if (!found) return;
    report_unobserved(*found);
  }
}

void fork_hooks::lock_failure_registry() noexcept { Unobserved::instance().mutex.lock(); }

void fork_hooks::unlock_failure_registry() noexcept { Unobserved::instance().mutex.unlock(); }

}  // namespace tarn
