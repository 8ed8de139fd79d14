#include "cli/progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "cli/text.h"

namespace tarn::cli {

namespace {

size_t terminal_width() {
  winsize size{};
  constexpr size_t kUsual = 80;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return size.ws_col;
}

std::string clock_text(double seconds) {
  const auto whole = uint64_t(seconds + 0.5);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace

ProgressBar::ProgressBar(std::string what)
    : what_(std::move(what)), is_shown_(isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() { finish(); }

void ProgressBar::finish() {
  if (std::exchange(is_shown_, false)) std::fputs("\r\x1b[K", stderr);
}

void ProgressBar::show(uint64_t nbytes_done, uint64_t nbytes_total, bool is_stalled) {
  if (!is_shown_) return;
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const double fraction = nbytes_total == 0 ? 1 : double(nbytes_done) / double(nbytes_total);
  const double rate = seconds > 0 ? double(nbytes_done) / seconds : 0;
  std::string figures = fmt::format(" {:3.0f} %  {} of {}", 100 * fraction, bytes_text(nbytes_done),
                                    bytes_text(nbytes_total));
  if (is_stalled) {
    figures += "  no data arrives";
  } else if (rate > 0) {
    figures += fmt::format("  {}/s  {} left", bytes_text(uint64_t(rate)),
                           clock_text(double(nbytes_total - nbytes_done) / rate));
  }
  const size_t width = terminal_width();
  const size_t taken = what_.size() + figures.size() + 4;
  const size_t bar = width > taken ? std::min<size_t>(width - taken, 40) : 0;
  const auto filled = size_t(fraction * double(bar));
  std::string line = fmt::format("{} [{:<{}}]{}", what_, std::string(filled, '#'), bar, figures);
  if (line.size() >= width) line.resize(width - 1);
  fmt::print(stderr, "\r{}\x1b[K", line);
  std::fflush(stderr);
}

}  // namespace tarn::cli
