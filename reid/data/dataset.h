// Re-identification sets of still pictures, in the layout that Market-1501 and many others have.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace saccade {

constexpr int kJunk = -1;      // person of a bad detection: it counts neither for nor against a ranking
constexpr int kNoCamera = -1;  // the name tells no camera

struct ImageRecord {
  std::string path;
  int pid = -1;    // person as written in the name; 0 is a distractor, -1 unknown or junk
  int camid = -1;  // camera as written in the name
};

// Reads person and camera from the file name, which is the last part of `path`:
//   0002_c1s1_000451_03.jpg   Market-1501
//   0001_c2_f0046182.jpg      DukeMTMC-reID; VeRi-776 writes c002, others C2
//   0004C1T0001F001.jpg       MARS
//   -1_c3s1_000451_00.jpg     junk
//   0002_anything.png         no camera
// False if the name does not begin with a person number (-1, 0, 1, ...) that ends at a "_", at MARS's "C" or
// at the extension.
bool parse_image_name(const std::string& path, int* pid, int* camid);

// The pictures of one folder, sorted by name, whatever order the file system lists them in. Where it holds none itself,
// those of its folders that are called after a person (0002): then a picture's name need not tell one, and its camera
// is that of any "_c3" in it.
struct Folder {
  std::vector<ImageRecord> images;
  int64_t junk = 0;     // pictures of person -1 that were left out of `images`
  int64_t ignored = 0;  // entries that are no pictures: other files (Thumbs.db), hidden files, folders
  std::vector<std::string> other_folders;  // sorted names of folders beside those of persons
  std::vector<std::string> other_formats;  // sorted names of pictures that are not read (.bmp, .webp, ...)
};

// What a user should know of what is not in `images`, in whole lines that begin with `name`; may be empty.
std::string notice_of(const Folder& folder, const std::string& name);

// A picture whose name tells no person is refused by an InputError that names it, or kept as person -1.
enum class UnnamedImages { refuse, keep };

// keep_junk: pictures of person -1 are listed, too. InputError for no folder, and for one without pictures that can be
// read.
Folder list_images(const std::string& folder, UnnamedImages unnamed = UnnamedImages::keep,
                   bool keep_junk = true);

// The folders of a set as Market-1501 and DukeMTMC-reID have them. VeRi-776 has image_train, image_query and
// image_test; MSMT17 has lists (list_train.txt, list_val.txt, list_query.txt, list_gallery.txt) beside train and test,
// in its second version mask_train_v2 and mask_test_v2; both of its training lists are read.
constexpr const char* kTrainFolder = "bounding_box_train";
constexpr const char* kQueryFolder = "query";
constexpr const char* kGalleryFolder = "bounding_box_test";

struct ReidDataset {
  std::string root;  // the folder that holds bounding_box_train, query, bounding_box_test
  std::vector<ImageRecord> train, query, gallery;  // each sorted by name; without junk
  std::string query_name, gallery_name;            // where these come from, for messages

  // The class of each training picture: the rank of its person among the sorted persons, so that every
  // process that reads the same pictures gets the same classes.
  std::vector<int64_t> labels;
  std::vector<int> train_ids;  // train_ids[label] = person
  int64_t identities() const { return static_cast<int64_t>(train_ids.size()); }

  bool has_cameras = false;  // whether the name of every query and gallery picture tells its camera
  std::string notice;        // what a user should know, in whole lines; may be empty
};

// Which folders to read; the others stay empty and may be missing.
struct DatasetParts {
  bool train = true;
  bool query = true;
  bool gallery = true;
};

// `dir` holds the folders of a set, or is one or two levels above the one folder that does. InputError: no such folder
// or more than one, a part without pictures, a picture whose name tells no person, a line of a list that is none.
ReidDataset load_reid_dataset(const std::string& dir, DatasetParts parts = {});

// The class of each record, which is the rank of its person; `ids` receives the sorted persons.
std::vector<int64_t> labels_of(const std::vector<ImageRecord>& records, std::vector<int>* ids);

}  // namespace saccade
