// The built tool as a process.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace tarn {

// What a process left when it ended.
struct Ended {
  int status = -1;  // what it returned; -1 if a signal ended it
  int signal = 0;   // which one
  std::string out;
  std::string err;

  // `out` as one JSON value; a failed expectation if it is not one.
  nlohmann::json json() const;
};

class Tool {
 public:
  using Args = std::vector<std::string>;

  explicit Tool(Args args) : args_(std::move(args)) {}

  // Before start().
  Tool& env(const std::string& name, const std::string& value);
  Tool& preload(const std::string& library);
  Tool& out_to(int fd);  // instead of keeping what it says there
  Tool& err_to(int fd);
  Tool& ignoring(int signal);
  Tool& limit(int resource, rlim_t most);  // a soft limit, as ulimit -S

  Tool& start();
  void kill(int signal) const;
  Ended wait();

 private:
  Args args_;
  std::vector<std::string> env_;
  std::vector<int> ignored_;
  std::vector<std::pair<int, rlim_t>> limits_;
  int out_ = -1, err_ = -1;  // -1: files in memory
  int kept_out_ = -1, kept_err_ = -1;
  pid_t pid_ = -1;
};

Ended run_tool(Tool::Args args);

// The tool, with reads of bytes at or behind `from` held at a gate.
class GatedReads {
 public:
  explicit GatedReads(int from);
  ~GatedReads();
  GatedReads(const GatedReads&) = delete;
  GatedReads& operator=(const GatedReads&) = delete;

  void hold(Tool& tool) const;
  // Returns when a read has come to the gate.
  void wait_for_read() const;
  void open();

 private:
  int from_;
  int arrived_[2];
  int gate_[2];
};

}  // namespace tarn
