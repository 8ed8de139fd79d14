// What must be locked across fork(), and made anew in the child, outside the Runtime object. Called
// by its handlers only.
#pragma once

namespace tarn::fork_hooks {

// The buckets that outcomes wait in.
void lock_wait_buckets() noexcept;
void unlock_wait_buckets() noexcept;
void renew_wait_buckets() noexcept;  // in the child

// The registry of unobserved failures.
void lock_failure_registry() noexcept;
void unlock_failure_registry() noexcept;

// What events share.
void lock_events() noexcept;
void unlock_events() noexcept;

}  // namespace tarn::fork_hooks
