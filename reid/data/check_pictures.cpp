#include "reid/data/check_pictures.h"

#include <map>
#include <mutex>
#include <utility>

#include "kernels/common/error.h"

namespace saccade {
namespace {

// What was found, by the index of the picture.
struct Findings {
  std::map<size_t, std::string> damaged, flawed;  // "<file>: <what is wrong>"
  int64_t turned = 0;
};

Findings read_all(const std::vector<const ImageRecord*>& records, const PictureRules& rules, int threads,
                  const Counted& progress) {
  Findings found;
  std::mutex mutex;
  for_each_index(
      static_cast<int64_t>(records.size()), threads,
      [&](int64_t i) {
        const auto index = static_cast<size_t>(i);
        const std::string& path = records[index]->path;
        ImageNotes notes;
        std::string damage;
        try {
          read_image(path, rules.orientation, &notes);
        } catch (const InputError& error) {
          damage = error.what();
        }
        const std::lock_guard lock(mutex);
        if (!damage.empty()) found.damaged[index] = damage;
        if (!notes.flaw.empty()) found.flawed[index] = path + ": " + notes.flaw;
        found.turned += notes.turned;
      },
      progress);
  return found;
}

// The first five by name, the very first with the reason.
std::string names_of(const std::map<size_t, std::string>& damaged,
                     const std::vector<const ImageRecord*>& records) {
  std::string text;
  size_t named = 0;
  for (const auto& [index, reason] : damaged) {
    if (++named > 5) return concat(text, " and ", damaged.size() - 5, " more");
    text += named == 1 ? reason : (named == 2 ? "; " : ", ") + records[index]->path;
  }
  return text;
}

}  // namespace

int64_t check_pictures(const std::vector<std::vector<ImageRecord>*>& parts, const PictureRules& rules,
                       int threads, const ReadingReport& report) {
  std::vector<const ImageRecord*> records;
  for (const auto* part : parts)
    for (const ImageRecord& record : *part) records.push_back(&record);
  const Findings found = read_all(records, rules, threads, report.progress);
  const auto notice = [&](const std::string& line) {
    if (report.notice) report.notice(line);
  };
  if (!found.flawed.empty())
    notice(concat(found.flawed.size(), " pictures have small flaws and are used all the same; the first is ",
                  found.flawed.begin()->second));
  if (found.turned > 0)
    notice(concat(found.turned,
                  " pictures are turned as their EXIF orientation says "
                  "(data.orientation=ignore takes them as they lie)"));
  if (found.damaged.empty()) return 0;

  const std::string damage = names_of(found.damaged, records);
  check_input(rules.skip_damaged, found.damaged.size(),
              " pictures cannot be read (--set data.damaged=skip leaves them out): ", damage);
  size_t index = 0;
  for (auto* part : parts) {
    std::vector<ImageRecord> kept;
    for (const ImageRecord& record : *part)
      if (!found.damaged.contains(index++)) kept.push_back(record);
    check_input(part->empty() || !kept.empty(), "none of the ", part->size(),
                " pictures can be read: ", damage);
    *part = std::move(kept);
  }
  notice(concat("left out ", found.damaged.size(), " pictures that cannot be read: ", damage));
  return static_cast<int64_t>(found.damaged.size());
}

}  // namespace saccade
