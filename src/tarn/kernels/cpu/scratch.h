// Memory that a kernel needs besides its operands and knows the size of only as it goes. It comes
// from whoever launches the kernel, so that it counts as the operands do.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace tarn::cpu {

// Aligned to 64 bytes, freed with its last owner.
using Scratch = std::shared_ptr<void>;
// Throws when there is no memory. May be called on several threads at once.
using AllocateScratch = std::function<Scratch(int64_t nbytes)>;

}  // namespace tarn::cpu
