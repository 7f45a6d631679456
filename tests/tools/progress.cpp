// The progress report: what a log gets, what a terminal gets.
#include "tools/common/progress.h"

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
  CHECK(text.rfind("drawing 3/3 images, ", 0) == 0);
  CHECK(text.find(", loss 2.5\n") == text.size() - 11);
  CHECK(text.find('\r') == std::string::npos);
}

TEST_CASE("a terminal gets one bar that is redrawn in place", "[progress]") {
  std::ostringstream out;
  {
    Progress progress("drawing", 4, "images", out, true);
    progress.advance(2);
    progress.finish();
  }
  CHECK(out.str().rfind("\r[##########..........] drawing 2/4 images", 0) == 0);
  CHECK(out.str().back() == '\n');
}

TEST_CASE("a notice takes a line of its own above the bar", "[progress]") {
  std::ostringstream out, log, early;
  {
    Progress progress("training", 4, "steps", out, true);
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
