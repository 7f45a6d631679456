// The progress report: what a log gets, what a terminal gets.
#include "tools/common/progress.h"

#include <algorithm>
#include <sstream>

#include "tests/common/catch.h"

using saccade::Progress;

TEST_CASE("a log gets whole lines and always the last count", "[progress]") {
  std::ostringstream out;
  {
    Progress progress("drawing", 3, "images", out, false);
    for (int i = 0; i < 3; ++i) progress.advance(1, "loss 2.5");
  }
  const std::string text = out.str();
  CHECK(text.rfind("drawing 1/3 images, ", 0) == 0);  // the first at once: now the work has begun
  CHECK(text.find("2/3") == std::string::npos);
  CHECK(text.find("\ndrawing 3/3 images, ") != std::string::npos);
  CHECK(text.rfind(", loss 2.5\n") == text.size() - 11);
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
  CHECK(text.find('\r') == std::string::npos);
}

TEST_CASE("a terminal gets one bar that is redrawn in place", "[progress]") {
  std::ostringstream out;
  {
    Progress progress("drawing", 4, "images", out, true, 80);
    progress.advance(2);
    progress.finish();
  }
  CHECK(out.str().rfind("\r[##########..........] drawing 2/4 images", 0) == 0);
  CHECK(out.str().back() == '\n');
}

TEST_CASE("the first step of a training is shown at once, and makes no rate", "[progress]") {
  for (const bool terminal : {false, true}) {
    std::ostringstream out;
    Progress progress("training", 12936, "steps", out, terminal, 80);
    progress.resume_at(41);
    progress.reach(41, "loss 6.62");
    CHECK_THAT(out.str(), ContainsSubstring("training 41/12936 steps, loss 6.62"));
    out.str("");
    progress.reach(42, "loss 6.61");
    CHECK(out.str().empty());  // too soon
  }
}

TEST_CASE("a line is narrower than the terminal: first the bar becomes shorter, then the text is cut",
          "[progress]") {
  const auto widest = [](int width, const std::string& label, const std::string& note) {
    std::ostringstream out;
    {
      Progress progress(label, 12936, "files", out, true, width);
      progress.advance(1, note);
      progress.advance(6000, note);
      progress.print("a notice");
      progress.advance(6935, note);
    }
    std::string text = out.str(), line;
    size_t most = 0;
    for (const char c : text + "\n") {
      line += c;
      if (c != '\r' && c != '\n') continue;
      const size_t erase = line.find("\x1b[K");
      most = std::max(most, erase == std::string::npos ? line.size() - 1 : erase);
      line.clear();
    }
    return std::pair(most, text);
  };
  const auto [wide, bar] = widest(80, "training", "loss 12.3456");
  CHECK(wide <= 79);
  CHECK_THAT(bar,
             ContainsSubstring("] training 12936/12936 files, ") && ContainsSubstring("loss 12.3456\x1b[K"));
  CHECK_THAT(bar, ContainsSubstring("\r[........"));
  for (const int width : {20, 21, 40, 64, 80, 81, 200})
    for (const std::string note : {"", "loss 12.3456"}) {
      INFO(width);
      CHECK(widest(width, "reading pictures", note).first <= static_cast<size_t>(width - 1));
    }
  CHECK_THAT(widest(20, "training", "loss 12.3456").second, ContainsSubstring("\rtraining 12936/1293\x1b[K"));
  CHECK(widest(1, "training", "").first == 0);
  CHECK(widest(200, "training", "").second.find("\r[####################] training") != std::string::npos);
}

TEST_CASE("a notice takes a line of its own above the bar", "[progress]") {
  std::ostringstream out, log, early;
  {
    Progress progress("training", 4, "steps", out, true, 80);
    progress.advance(4);
    out.str("");
    progress.print("mAP 0.5");
    CHECK(out.str().rfind("\r\x1b[KmAP 0.5\n\r[####################] training 4/4 steps", 0) == 0);
    progress.finish();
    out.str("");
    progress.print("two\nlines\n");
    CHECK(out.str() == "two\nlines\n");
  }
  Progress lines("training", 4, "steps", log, false), unseen("training", 4, "steps", early, true);
  lines.advance(4);
  log.str("");
  lines.print("mAP 0.5");
  CHECK(log.str() == "mAP 0.5\n");
  unseen.print("mAP 0.5");  // there is no bar yet
  CHECK(early.str() == "mAP 0.5\n");
}

TEST_CASE("work that was cut short still reports how far it came; no work is a line, too", "[progress]") {
  std::ostringstream out, idle, failed;
  {
    Progress progress("drawing", 100, "images", out, false);
    progress.resume_at(40);
    progress.advance();
  }
  CHECK(out.str().rfind("drawing 41/100 images", 0) == 0);
  { Progress progress("drawing", 0, "images", idle, false); }
  CHECK(idle.str().find("0/0") != std::string::npos);
  { Progress progress("drawing", 9, "images", failed, false); }
  CHECK(failed.str().empty());
}

TEST_CASE("time is written as minutes or hours", "[progress]") {
  CHECK(Progress::clock(75) == "1:15");
  CHECK(Progress::clock(3700) == "1:01:40");
  CHECK(Progress::clock(-1) == "0:00");
}
