#include "reid/data/dataset.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "kernels/common/error.h"
#include "reid/data/image.h"

namespace saccade {
namespace {

namespace fs = std::filesystem;

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

// Reads a whole number of at most nine digits at `at` and moves past it; -1 if there is none.
int read_number(const std::string& text, size_t* at) {
  const size_t begin = *at;
  int value = 0;
  while (*at < text.size() && is_digit(text[*at])) {
    if (*at - begin == 9) return -1;
    value = value * 10 + (text[(*at)++] - '0');
  }
  return *at > begin ? value : -1;
}

// The camera of "_c1s1_..." or "_c2_...", where `at` is at the "_"; kNoCamera for any other text.
int read_camera(const std::string& stem, size_t at) {
  if (at + 2 >= stem.size() || stem[at + 1] != 'c') return kNoCamera;
  at += 2;
  const int camera = read_number(stem, &at);
  const bool ends = at == stem.size() || stem[at] == '_' || stem[at] == 's';
  return ends ? camera : kNoCamera;
}

// The camera of "C1T0001F001", where `at` is at the "C"; kNoCamera for any other text.
int read_mars_camera(const std::string& stem, size_t at) {
  if (at >= stem.size() || stem[at] != 'C') return kNoCamera;
  const int camera = read_number(stem, &++at);
  return at + 1 < stem.size() && stem[at] == 'T' && is_digit(stem[at + 1]) ? camera : kNoCamera;
}

bool holds_a_set(const fs::path& dir, DatasetParts parts) {
  std::error_code failure;
  return (parts.train && fs::is_directory(dir / kTrainFolder, failure)) ||
         (parts.query && fs::is_directory(dir / kQueryFolder, failure)) ||
         (parts.gallery && fs::is_directory(dir / kGalleryFolder, failure));
}

fs::path find_root(const std::string& dir, DatasetParts parts) {
  std::error_code failure;
  check_input(fs::exists(dir, failure), dir, ": no such folder");
  check_input(fs::is_directory(dir, failure), dir, ": is not a folder");
  if (holds_a_set(dir, parts)) return dir;
  std::vector<fs::path> found;
  fs::directory_iterator entries(dir, failure);
  check_input(!failure, dir, ": cannot be listed: ", failure.message());
  for (const fs::directory_entry& entry : entries)
    if (entry.is_directory(failure) && holds_a_set(entry.path(), parts)) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  check_input(!found.empty(), dir, ": neither it nor a folder in it holds ", kTrainFolder, ", ", kQueryFolder,
              " and ", kGalleryFolder);
  check_input(found.size() == 1, dir, ": holds more than one data set (",
              found.empty() ? "" : found.front().filename().string(), ", ",
              found.empty() ? "" : found.back().filename().string(), "): name one of them");
  return found.front();
}

void add_line(std::string* notice, const std::string& line) {
  *notice += line + "\n";
}

// Says how many there are, which is the first, and what to do.
std::string other_formats_of(const Folder& folder) {
  const std::string& first = folder.other_formats.front();
  return concat(folder.other_formats.size(),
                " pictures are in formats that are not read; convert them, e.g. with ",
                "ImageMagick: convert ", first, " ", fs::path(first).stem().string(), ".png");
}

std::vector<ImageRecord> load_part(const fs::path& root, const char* name, std::string* notice) {
  const std::string folder = (root / name).string();
  Folder part = list_images(folder, UnnamedImages::refuse, /*keep_junk=*/false);
  check_input(!part.images.empty(), folder, ": holds no picture but junk (person -1)");
  *notice += notice_of(part, name);
  return std::move(part.images);
}

}  // namespace

bool parse_image_name(const std::string& path, int* pid, int* camid) {
  const std::string stem = fs::path(path).stem().string();
  *pid = kJunk;
  *camid = kNoCamera;
  size_t at = 0;
  int person = -1;
  if (stem.rfind("-1", 0) == 0) {
    at = 2;
  } else {
    person = read_number(stem, &at);
    if (person < 0) return false;
  }
  if (at < stem.size() && stem[at] != '_') {
    const int camera = read_mars_camera(stem, at);
    if (camera == kNoCamera) return false;
    *camid = camera;
  } else if (at < stem.size()) {
    *camid = read_camera(stem, at);
  }
  *pid = person;
  return true;
}

Folder list_images(const std::string& folder, UnnamedImages unnamed, bool keep_junk) {
  std::error_code failure;
  check_input(fs::exists(folder, failure), folder, ": no such folder");
  check_input(fs::is_directory(folder, failure), folder, ": is not a folder");
  fs::directory_iterator entries(folder, failure);
  check_input(!failure, folder, ": cannot be listed: ", failure.message());
  Folder result;
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory(failure)) {
      ++result.ignored;
    } else if (has_image_name(name)) {
      names.push_back(name);
    } else if (has_other_image_name(name)) {
      result.other_formats.push_back(name);
    } else {
      ++result.ignored;
    }
  }
  std::sort(names.begin(), names.end());
  std::vector<std::string>& others = result.other_formats;
  std::sort(others.begin(), others.end());
  check_input(!names.empty(), folder, ": holds no JPEG or PNG picture",
              others.empty() ? "" : "; " + other_formats_of(result));
  for (const std::string& name : names) {
    ImageRecord record;
    record.path = (fs::path(folder) / name).string();
    const bool named = parse_image_name(name, &record.pid, &record.camid);
    check_input(named || unnamed == UnnamedImages::keep, record.path,
                ": its name does not begin with a person number, as in 0002_c1s1_000451_03.jpg");
    if (named && record.pid == kJunk && !keep_junk) {
      ++result.junk;
    } else {
      result.images.push_back(std::move(record));
    }
  }
  return result;
}

std::string notice_of(const Folder& folder, const std::string& name) {
  std::string notice;
  if (folder.junk > 0)
    add_line(&notice, concat(name, ": left out ", folder.junk, " junk pictures (person -1)"));
  if (folder.ignored > 0)
    add_line(&notice,
             concat(name, ": ignored ", folder.ignored, " entries that are not JPEG or PNG pictures"));
  if (!folder.other_formats.empty()) add_line(&notice, name + ": " + other_formats_of(folder));
  return notice;
}

std::vector<int64_t> labels_of(const std::vector<ImageRecord>& records, std::vector<int>* ids) {
  ids->clear();
  for (const ImageRecord& record : records) ids->push_back(record.pid);
  std::sort(ids->begin(), ids->end());
  ids->erase(std::unique(ids->begin(), ids->end()), ids->end());
  std::vector<int64_t> labels;
  labels.reserve(records.size());
  for (const ImageRecord& record : records)
    labels.push_back(std::lower_bound(ids->begin(), ids->end(), record.pid) - ids->begin());
  return labels;
}

ReidDataset load_reid_dataset(const std::string& dir, DatasetParts parts) {
  ReidDataset data;
  const fs::path root = find_root(dir, parts);
  data.root = root.string();
  data.query_name = (root / kQueryFolder).string();
  data.gallery_name = (root / kGalleryFolder).string();
  if (parts.train) data.train = load_part(root, kTrainFolder, &data.notice);
  if (parts.query) data.query = load_part(root, kQueryFolder, &data.notice);
  if (parts.gallery) data.gallery = load_part(root, kGalleryFolder, &data.notice);
  data.labels = labels_of(data.train, &data.train_ids);

  int64_t without = 0, all = 0;
  for (const auto* part : {&data.query, &data.gallery})
    for (const ImageRecord& record : *part) {
      ++all;
      without += record.camid == kNoCamera;
    }
  data.has_cameras = all > 0 && without == 0;
  if (without > 0)
    add_line(&data.notice, concat(without, " of ", all, " query and gallery pictures tell no camera: ",
                                  "none of these is left out as taken by the query's camera"));
  return data;
}

}  // namespace saccade
