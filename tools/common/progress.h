// A progress report on stderr: a bar with rate and time left on a terminal, plain lines (a log) otherwise.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <mutex>
#include <string>
#include <utility>

#include "kernels/common/clock.h"
#include "kernels/common/error.h"

namespace saccade {

// Counts from 0 to `total` units of work. All members may be called from several threads.
class Progress {
 public:
  // width: columns of the terminal; 0: as many as that of stderr has now.
  Progress(std::string label, int64_t total, std::string unit, std::ostream& out = std::cerr,
           bool terminal = isatty(STDERR_FILENO) != 0, int width = 0)
      : label_(std::move(label)),
        unit_(std::move(unit)),
        total_(total),
        out_(out),
        terminal_(terminal),
        width_(width) {}
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `count` more units are done. `note` (such as "loss 3.21") is shown after the rate.
  void advance(int64_t count = 1, const std::string& note = {}) {
    const std::lock_guard lock(mutex_);
    move_to(done_ + count, note);
  }

  // The same, but `done` units in all are done.
  void reach(int64_t done, const std::string& note = {}) {
    const std::lock_guard lock(mutex_);
    move_to(done, note);
  }

  // Starts at `done` instead of 0 (a resumed run); those units do not count in the rate.
  void resume_at(int64_t done) {
    const std::lock_guard lock(mutex_);
    done_ = first_ = done;
  }

  // Lines of another kind (a notice, with or without its line end), above the bar that goes on below them.
  void print(const std::string& text) {
    const std::lock_guard lock(mutex_);
    const bool drawn = terminal_ && shown_done_ >= 0 && !finished_;
    out_ << (drawn ? "\r\x1b[K" : "") + text + (text.ends_with('\n') ? "" : "\n") << std::flush;
    if (drawn) show(watch_.seconds());
  }

  // Ends the report; the destructor does it too, so a line is whole before an error is printed under it.
  void finish() {
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    finished_ = true;
    // Work that failed before its first unit leaves no line beside the error.
    if (done_ != shown_done_ && (done_ > first_ || total_ == 0)) show(watch_.seconds());
    if (terminal_ && shown_done_ >= 0) out_ << std::endl;
  }

  // 75 -> "1:15", 3700 -> "1:01:40".
  static std::string clock(double time) {
    const auto whole = static_cast<int64_t>(std::min(std::max(time, 0.0), 3.6e8) + 0.5);
    char text[32];
    if (whole >= 3600) {
      std::snprintf(text, sizeof text, "%d:%02d:%02d", static_cast<int>(whole / 3600),
                    static_cast<int>(whole / 60 % 60), static_cast<int>(whole % 60));
    } else {
      std::snprintf(text, sizeof text, "%d:%02d", static_cast<int>(whole / 60), static_cast<int>(whole % 60));
    }
    return text;
  }

 private:
  // Shows the first news at once: until then nobody knows whether the work has begun.
  void move_to(int64_t done, const std::string& note) {
    done_ = done;
    note_ = note;
    const double now = watch_.seconds();
    if (done_ < total_ && shown_done_ >= 0 && now - shown_at_ < (terminal_ ? 0.1 : 10.0)) return;
    show(now);
  }

  void show(double now) {
    std::string line = concat(label_, ' ', done_, '/', total_, ' ', unit_);
    if (done_ > first_) {
      const double rate = static_cast<double>(done_ - first_) / std::max(now, 1e-9);
      char text[32];
      std::snprintf(text, sizeof text, ", %.*f/s, ", rate < 10 ? 2 : 0, rate);
      line +=
          text + (done_ < total_ ? clock(static_cast<double>(total_ - done_) / rate) + " left" : clock(now));
    }
    if (!note_.empty()) line += ", " + note_;
    if (terminal_) {
      out_ << "\r" + fitted(line) + "\x1b[K" << std::flush;
    } else {
      out_ << line + "\n" << std::flush;
    }
    shown_at_ = now;
    shown_done_ = done_;
  }

  // The line behind a bar, in one column less than the terminal has: a full one would begin a second line, which the
  // next redrawing would leave behind. Where there is no room for both the bar goes first, then the end of the line.
  std::string fitted(const std::string& line) const {
    constexpr int kLeast = 4, kMost = 20;
    const int room = columns() - 1, length = static_cast<int>(line.size());
    const int cells = std::min(kMost, room - length - 3);
    if (cells < kLeast) return line.substr(0, static_cast<size_t>(std::max(room, 0)));
    const double share = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 1.0;
    const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * cells);
    return "[" + std::string(static_cast<size_t>(full), '#') +
           std::string(static_cast<size_t>(cells - full), '.') + "] " + line;
  }

  int columns() const {
    winsize size{};
    if (width_ > 0) return width_;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  }

  const std::string label_, unit_;
  const int64_t total_;
  std::ostream& out_;
  const bool terminal_;
  const int width_;
  const Stopwatch watch_;
  std::mutex mutex_;
  std::string note_;
  int64_t done_ = 0, first_ = 0, shown_done_ = -1;
  double shown_at_ = 0;
  bool finished_ = false;
};

}  // namespace saccade
