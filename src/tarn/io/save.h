// Saving arrays to files. Arrays are computed first: what fails there is thrown as their EvalError,
// before anything is written.
//
// A file that is saved by name replaces an older one only when it is complete and on the disk; when
// saving fails, with OperationError (io), the older one is as it was. A Writer is written to as it
// goes.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "tarn/graph/array.h"
#include "tarn/io/writer.h"

namespace tarn {

// As .npy; the name gets that ending if it lacks it.
void save(std::shared_ptr<io::Writer> out_stream, array a);
void save(std::string file, array a);

// As .safetensors; the name gets that ending if it lacks it. Tensors lie in the order of their
// names, so equal arguments give equal files. Throws std::invalid_argument and std::overflow_error
// as io::compose_safetensors_header.
void save_safetensors(std::shared_ptr<io::Writer> in_stream,
                      std::unordered_map<std::string, array> arrays,
                      std::unordered_map<std::string, std::string> metadata = {});
void save_safetensors(std::string file, std::unordered_map<std::string, array> arrays,
                      std::unordered_map<std::string, std::string> metadata = {});

}  // namespace tarn
