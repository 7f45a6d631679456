#include "reid/data/dataset.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>

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

// The camera of "_c1s1_...", "_c2_..." or "_C6_...", where `at` is at the "_"; kNoCamera for any other text.
int read_camera(const std::string& stem, size_t at) {
  if (at + 2 >= stem.size() || (stem[at + 1] != 'c' && stem[at + 1] != 'C')) return kNoCamera;
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

// The three folders of a set, as those call them who publish it.
struct Layout {
  const char *train, *query, *gallery;
};
constexpr Layout kLayouts[] = {{kTrainFolder, kQueryFolder, kGalleryFolder},
                               {"image_train", "image_query", "image_test"}};  // VeRi-776

// MSMT17 says in lists what belongs to which part.
constexpr const char* kTrainList = "list_train.txt";
constexpr const char* kMoreTrainList = "list_val.txt";
constexpr const char* kQueryList = "list_query.txt";
constexpr const char* kGalleryList = "list_gallery.txt";

struct Place {
  fs::path root;
  const Layout* layout = nullptr;  // null: lists
};

bool is_folder(const fs::path& path) {
  std::error_code failure;
  return fs::is_directory(path, failure);
}

bool is_file(const fs::path& path) {
  std::error_code failure;
  return fs::is_regular_file(path, failure);
}

// Whether `dir` itself holds a set, or a part of one that is asked for.
bool holds_a_set(const fs::path& dir, DatasetParts parts, Place* place) {
  *place = {dir, nullptr};
  for (const Layout& layout : kLayouts) {
    place->layout = &layout;
    if ((parts.train && is_folder(dir / layout.train)) || (parts.query && is_folder(dir / layout.query)) ||
        (parts.gallery && is_folder(dir / layout.gallery)))
      return true;
  }
  place->layout = nullptr;
  return is_file(dir / kQueryList) && is_file(dir / kGalleryList);
}

std::vector<fs::path> folders_in(const fs::path& dir) {
  std::error_code failure;
  fs::directory_iterator entries(dir, failure);
  check_input(!failure, dir.string(), ": cannot be listed: ", failure.message());
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : entries)
    if (entry.is_directory(failure)) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

// The set in `dir`, in a folder of it, or in a folder of that one: archives differ in depth.
Place find_set(const std::string& dir, DatasetParts parts) {
  std::error_code failure;
  check_input(fs::exists(dir, failure), dir, ": no such folder");
  check_input(fs::is_directory(dir, failure), dir, ": is not a folder");
  std::vector<fs::path> level = {dir};
  for (int depth = 0; depth < 3; ++depth) {
    std::vector<Place> found;
    for (const fs::path& folder : level)
      if (Place place; holds_a_set(folder, parts, &place)) found.push_back(place);
    if (found.size() == 1) return found.front();
    check_input(found.empty(), dir, ": holds more than one data set (",
                found.empty() ? "" : found.front().root.filename().string(), ", ",
                found.empty() ? "" : found.back().root.filename().string(), "): name one of them");
    std::vector<fs::path> deeper;
    for (const fs::path& folder : level)
      for (fs::path& inner : folders_in(folder)) deeper.push_back(std::move(inner));
    level = std::move(deeper);
  }
  throw InputError(concat(dir, ": neither it nor a folder in it holds ", kTrainFolder, ", ", kQueryFolder,
                          " and ", kGalleryFolder, ", or the same of another set that is known (",
                          kLayouts[1].train, " of VeRi-776, ", kQueryList, " of MSMT17)"));
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

// The camera of any "_c3_" of a name that does not begin with a person, or of a "c3_" at its beginning.
int camera_anywhere(const std::string& stem) {
  const std::string text = "_" + stem;
  for (size_t at = text.find('_'); at != std::string::npos; at = text.find('_', at + 1))
    if (const int camera = read_camera(text, at); camera != kNoCamera) return camera;
  return kNoCamera;
}

// Appends the pictures that a list of MSMT17 names: a line is "<path> <person>", and the camera is the third part of
// the file's name, as in 0000/0000_000_01_0303morning_0015_0.jpg.
void append_list(const fs::path& list, const fs::path& folder, std::vector<ImageRecord>* records) {
  std::ifstream file(list);
  check_input(file.good(), list.string(), ": cannot be read");
  std::string line;
  for (int64_t number = 1; std::getline(file, line); ++number) {
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
    if (line.empty()) continue;
    const size_t space = line.rfind(' ');
    size_t at = space == std::string::npos ? line.size() : space + 1;
    const int person = read_number(line, &at);
    check_input(person >= 0 && at == line.size(), list.string(), ": line ", number,
                " is not a path and a person number");
    ImageRecord record;
    record.path = (folder / line.substr(0, space)).string();
    record.pid = person;
    const std::string stem = fs::path(record.path).stem().string();
    const size_t second = stem.find('_'), third = stem.find('_', second + 1);
    if (second != std::string::npos && third != std::string::npos) {
      size_t digits = third + 1;
      record.camid = std::max(read_number(stem, &digits), kNoCamera);
    }
    records->push_back(std::move(record));
  }
  check_input(!file.bad(), list.string(), ": cannot be read");
}

void load_lists(const fs::path& root, DatasetParts parts, ReidDataset* data) {
  const auto folder_of = [&](const char* first, const char* second) {
    check_input(is_folder(root / first) || is_folder(root / second), root.string(),
                ": holds the lists of MSMT17, but neither ", first, " nor ", second);
    return is_folder(root / first) ? root / first : root / second;
  };
  data->query_name = (root / kQueryList).string();
  data->gallery_name = (root / kGalleryList).string();
  if (parts.train) {
    const fs::path folder = folder_of("train", "mask_train_v2");
    append_list(root / kTrainList, folder, &data->train);
    // Both halves are for training, as most results on this set have it.
    if (is_file(root / kMoreTrainList)) append_list(root / kMoreTrainList, folder, &data->train);
  }
  const fs::path folder = folder_of("test", "mask_test_v2");
  if (parts.query) append_list(root / kQueryList, folder, &data->query);
  if (parts.gallery) append_list(root / kGalleryList, folder, &data->gallery);
  const auto by_name = [](const ImageRecord& a, const ImageRecord& b) { return a.path < b.path; };
  for (auto* part : {&data->train, &data->query, &data->gallery})
    std::sort(part->begin(), part->end(), by_name);
}

// The pictures and the folders of a folder, sorted; `result` counts what is neither.
void list(const fs::path& folder, std::vector<fs::path>* pictures, std::vector<fs::path>* folders,
          Folder* result) {
  std::error_code failure;
  fs::directory_iterator entries(folder, failure);
  check_input(!failure, folder.string(), ": cannot be listed: ", failure.message());
  for (const fs::directory_entry& entry : entries) {
    if (entry.is_directory(failure)) {
      folders->push_back(entry.path());
    } else if (has_image_name(entry.path().string())) {
      pictures->push_back(entry.path());
    } else if (const std::string name = entry.path().filename().string(); has_other_image_name(name)) {
      result->other_formats.push_back(name);
    } else {
      ++result->ignored;
    }
  }
  std::sort(pictures->begin(), pictures->end());
  std::sort(folders->begin(), folders->end());
  std::sort(result->other_formats.begin(), result->other_formats.end());
}

// Why a name tells no person.
std::string reason_of(const std::string& name) {
  const size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
  if (digits > 9)
    return concat("its name begins with a number of ", digits,
                  " digits, and a person number has nine at most");
  return "its name does not begin with a person number, as in 0002_c1s1_000451_03.jpg";
}

// Lists a picture, or counts it as junk.
void take(ImageRecord record, bool named, bool keep_junk, Folder* folder) {
  if (named && record.pid == kJunk && !keep_junk) {
    ++folder->junk;
  } else {
    folder->images.push_back(std::move(record));
  }
}

// Whether a folder is called after a person: 0002, or -1 for junk.
bool is_person_folder(const fs::path& folder) {
  const std::string name = folder.filename().string();
  int pid = kJunk, camid = kNoCamera;
  return name.find_first_not_of("-0123456789") == std::string::npos && parse_image_name(name, &pid, &camid);
}

// The pictures of folders that are called after persons; the pictures themselves may have any name.
void list_person_folders(const std::vector<fs::path>& folders, bool keep_junk, Folder* result) {
  for (const fs::path& folder : folders) {
    int pid = kJunk, camid = kNoCamera;
    const std::string name = folder.filename().string();
    std::vector<fs::path> pictures, inner;
    if (is_person_folder(folder)) {
      parse_image_name(name, &pid, &camid);
      list(folder, &pictures, &inner, result);
    } else {
      result->other_folders.push_back(name);
    }
    result->ignored += static_cast<int64_t>(inner.size());
    for (const fs::path& picture : pictures)
      take({picture.string(), pid, camera_anywhere(picture.stem().string())}, true, keep_junk, result);
  }
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
  Folder result;
  std::vector<fs::path> pictures, folders;
  list(folder, &pictures, &folders, &result);
  if (pictures.empty()) {
    list_person_folders(folders, keep_junk, &result);
    const bool any = !result.images.empty() || result.junk > 0;
    const std::string instead = result.other_formats.empty()
                                    ? ", and no folder that is called after a person (0002) and holds some"
                                    : "; " + other_formats_of(result);
    check_input(any, folder, ": holds no JPEG or PNG picture", instead);
    return result;
  }
  if (unnamed == UnnamedImages::refuse)
    for (const fs::path& inner : folders)
      check_input(!is_person_folder(inner), folder, ": holds pictures (",
                  pictures.front().filename().string(), ") beside folders that are called after persons (",
                  inner.filename().string(), "): move one of the two kinds away");
  result.ignored += static_cast<int64_t>(folders.size());
  for (const fs::path& picture : pictures) {
    ImageRecord record;
    record.path = picture.string();
    const std::string name = picture.filename().string();
    const bool named = parse_image_name(name, &record.pid, &record.camid);
    check_input(named || unnamed == UnnamedImages::keep, record.path, ": ", reason_of(name));
    take(std::move(record), named, keep_junk, &result);
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
  if (!folder.other_folders.empty())
    add_line(&notice, concat(name, ": left out ", folder.other_folders.size(),
                             " folders that are not called after a person (0002), the first is ",
                             folder.other_folders.front()));
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
  const Place place = find_set(dir, parts);
  const fs::path& root = place.root;
  data.root = root.string();
  if (const Layout* layout = place.layout) {
    data.query_name = (root / layout->query).string();
    data.gallery_name = (root / layout->gallery).string();
    if (parts.train) data.train = load_part(root, layout->train, &data.notice);
    if (parts.query) data.query = load_part(root, layout->query, &data.notice);
    if (parts.gallery) data.gallery = load_part(root, layout->gallery, &data.notice);
  } else {
    load_lists(root, parts, &data);
  }
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
