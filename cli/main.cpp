// tarn: looks at model checkpoints. This file has the command line; each command is a file.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "cli/commands.h"
#include "cli/endless_work.h"
#include "cli/interruption.h"
#include "cli/text.h"
#include "tarn/base/blas_threads.h"
#include "tarn/base/settings.h"
#include "tarn/runtime/memory.h"

namespace tarn::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kPathHelp =
    "a checkpoint: a directory, a *.index.json, a .safetensors or a .npy file";

class CommandLine {
 public:
  CommandLine() {
    app_.require_subcommand(0, 1);
    app_.set_version_flag("--version", version_text);
    app_.footer(settings_text);
    ls_ = add_command("ls", "List tensors, dtypes, shapes, sizes, shards and metadata");
    stats_ = add_command("stats", "Compute min, max, mean, std, zeros, NaN and Inf of each tensor");
    verify_ = add_command("verify", "Read every byte; check structure, index and numbers");
    sample_command_ = app_.add_subcommand("make-sample", "Write a checkpoint of random weights");
    ops_ = app_.add_subcommand("ops", "List the operations");
    for (CLI::App* command : {ls_, stats_, verify_}) add_checkpoint_options(*command);
    for (CLI::App* command : {stats_, verify_, sample_command_}) add_run_options(*command);
    add_timeout(*ls_);
    verify_->add_flag("--checksums", with_checksums_, "Print the SHA-256 of each file");
    sample_command_->add_option("out", sample_.directory, "a new or empty directory")->required();
    sample_command_->add_option("--gib", sample_.gib, "Its size")
        ->required()
        ->check(CLI::Range(1e-4, 1e6))
        ->check([](const std::string& text) {  // a range does not keep NaN out
          return std::isnan(std::strtod(text.c_str(), nullptr)) ? text + " is no size" : "";
        });
    sample_command_->add_option("--shards", sample_.n_shards, "How many files")
        ->check(CLI::Range(1, 10000));
    sample_command_->add_option("--seed", sample_.seed, "Of the random weights");
    ops_->add_flag("--json", options_.json, "Print one JSON object");
  }

  int run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app_.exit(error) == 0 ? kAllWell : kUsageError;
    }
    if (app_.get_subcommands().empty()) {
      fmt::print(stderr, "{}", app_.help());
      return kUsageError;
    }
    apply();
    if (ls_->parsed()) return run_ls(options_);
    if (stats_->parsed()) return run_stats(options_);
    if (verify_->parsed()) return run_verify(options_, with_checksums_);
    if (sample_command_->parsed()) return run_make_sample(sample_, options_);
    return run_ops(options_.json);
  }

 private:
  CLI::App* add_command(const char* name, const char* help) {
    CLI::App* command = app_.add_subcommand(name, help);
    command->add_option("path", options_.paths, kPathHelp)->required();
    return command;
  }

  void add_checkpoint_options(CLI::App& command) {
    command
        .add_option("--match", options_.globs,
                    "Only tensors whose name matches; may be given several times")
        ->type_name("GLOB")
        ->allow_extra_args(false);  // what follows the first would be taken for paths
    command.add_flag("--json", options_.json, "Print one JSON object");
  }

  void add_run_options(CLI::App& command) {
    command.add_option("--threads", options_.n_threads, "Threads to use, else one for each core")
        ->type_name("N")
        ->check(CLI::Range(1, 4096).description(""));
    add_quantity(command, "--memory-limit", "SIZE", "Memory for tensors, such as 512MiB",
                 [this](const std::string& text) { options_.memory_limit = parse_nbytes(text); });
    add_timeout(command);
  }

  void add_timeout(CLI::App& command) {
    add_quantity(command, "--timeout", "TIME", "Give up after a time, such as 30s",
                 [this](const std::string& text) {
                   options_.deadline = Clock::now() + parse_duration(text);
                 });
  }

  template <class Parse>
  static void add_quantity(CLI::App& command, const char* name, const char* type, const char* help,
                           Parse parse) {
    const auto parse_or_refuse = [parse, name](const std::string& text) {
      try {
        parse(text);
      } catch (const std::invalid_argument& error) {
        throw CLI::ValidationError(name, error.what());
      }
    };
    command.add_option_function<std::string>(name, parse_or_refuse, help)->type_name(type);
  }

  static std::string settings_text() {
    std::string text = "Environment:";
    for (const SettingInfo& info : setting_infos()) {
      text += fmt::format("\n  {}\n      {} ({})", info.variable, info.doc, info.values);
    }
    return text;
  }

  // Before anything of the library that reads a setting or starts a thread.
  void apply() {
    if (options_.n_threads > 0) {
      setenv("TARN_NUM_THREADS", std::to_string(options_.n_threads).c_str(), 1);
    }
    // What is still running when the tool has printed its results is a read that hangs.
    setenv("TARN_EXIT_TIMEOUT_MS", "200", 0);
    for (const std::string& problem : settings().problems) {
      fmt::print(stderr, "tarn: {}\n", problem);
    }
    options_.stop = stop_on_interrupt();
    if (options_.memory_limit) set_memory_limit(size_t(*options_.memory_limit));
  }

  CLI::App app_{"Looks at model checkpoints: what is in them, and whether it is sound.", "tarn"};
  CLI::App* ls_;
  CLI::App* stats_;
  CLI::App* verify_;
  CLI::App* sample_command_;
  CLI::App* ops_;
  RunOptions options_;
  SampleOptions sample_;
  bool with_checksums_ = false;
};

int run(int argc, char** argv) {
  try {
    const int status = CommandLine().run(argc, argv);
    // A result that could not be written is no result.
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
    std::perror("tarn: standard output");
  } catch (const std::exception& error) {
    fmt::print(stderr, "tarn: {}\n", printable(error.what()));
  }
  return kSomethingFailed;
}

// A checkpoint's shards are all open at once: as many as the system lets the user have.
void open_many_files() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

}  // namespace tarn::cli

int main(int argc, char** argv) {
  // A file that gets too large is an error of writing it, which then leaves nothing behind.
  std::signal(SIGXFSZ, SIG_IGN);
  tarn::cli::open_many_files();
  tarn::stop_blas_threads();  // the tool multiplies no matrices
  const int status = tarn::cli::run(argc, argv);
  // What is left behind may still use what an orderly exit destroys.
  if (tarn::cli::has_left_work()) std::_Exit(status);
  return status;
}
