#include "reid/data/dataset.h"

#include "tests/common/catch.h"
#include "tests/reid/folder.h"

using namespace saccade;

namespace {

// Names alone matter here: loading a set opens no picture.
void touch(const TestFolder& folder, const std::vector<std::string>& names) {
  for (const std::string& name : names) folder.write(name, "");
}

std::vector<std::string> market_names() {
  return {"bounding_box_train/0022_c2s1_000451_03.jpg",
          "bounding_box_train/0007_c1s1_000151_01.jpg",
          "bounding_box_train/0007_c3s1_000151_01.jpg",
          "bounding_box_train/0110_c6s3_000851_01.jpg",
          "bounding_box_train/Thumbs.db",
          "query/0003_c1s1_000551_00.jpg",
          "bounding_box_test/-1_c1s1_000401_03.jpg",
          "bounding_box_test/0000_c1s1_000401_02.jpg",
          "bounding_box_test/0003_c4s1_000401_02.jpg",
          "bounding_box_test/.hidden.jpg"};
}

std::string name_of(const ImageRecord& record) {
  return std::filesystem::path(record.path).filename().string();
}

std::string load_error(const std::string& dir, DatasetParts parts = {}) {
  return input_error_of([&] { load_reid_dataset(dir, parts); });
}

}  // namespace

TEST_CASE("person and camera are read from the name") {
  struct Case {
    const char* name;
    bool ok;
    int pid, camid;
  };
  const Case cases[] = {
      {"0002_c1s1_000451_03.jpg", true, 2, 1},
      {"0001_c2_f0046182.jpg", true, 1, 2},
      {"-1_c3s2_000451_00.jpg", true, -1, 3},
      {"0000_c6s2_000451_00.jpg", true, 0, 6},
      {"1501_c15_000451.png", true, 1501, 15},
      {"0004C1T0001F001.jpg", true, 4, 1},
      {"0002_anything.jpg", true, 2, -1},
      {"0002_car_c3.jpg", true, 2, -1},
      {"0002_c3po.jpg", true, 2, -1},
      {"0002.jpg", true, 2, -1},
      {"0002_c4.jpg", true, 2, 4},
      {"0002_C6_000451.jpg", true, 2, 6},
      {"0776_c020_00075330_0.jpg", true, 776, 20},
      {"0002_Car_C3.jpg", true, 2, -1},
      {"0002_c.jpg", true, 2, -1},
      {"0002_.jpg", true, 2, -1},
      {"/sets/0099_c5s1_x/0002_c1s1.jpg", true, 2, 1},  // only the file name counts
      {"/sets/-1_c5/1234_c2/person.jpg", false, -1, -1},
      {"person_0002_c1.jpg", false, -1, -1},
      {"-2_c1s1.jpg", false, -1, -1},
      {"-12_c1s1.jpg", false, -1, -1},
      {"12x_c1.jpg", false, -1, -1},
      {"12345678901_c1.jpg", false, -1, -1},
      {"_c1.jpg", false, -1, -1},
  };
  for (const Case& each : cases) {
    INFO(each.name);
    int pid = 77, camid = 77;
    CHECK(parse_image_name(each.name, &pid, &camid) == each.ok);
    CHECK(pid == each.pid);
    CHECK(camid == each.camid);
  }
}

TEST_CASE("a Market-1501 folder loads, from itself or from its parent") {
  // Digits and cameras in the folders' names must not be taken for those of a person.
  const TestFolder folder;
  for (const std::string& name : market_names()) folder.write("0444_c9s9/Market-1501-v15.09.15/" + name, "");
  const ReidDataset data = load_reid_dataset(folder.path() + "/0444_c9s9");
  CHECK(data.root == folder.path() + "/0444_c9s9/Market-1501-v15.09.15");
  REQUIRE(data.train.size() == 4);
  CHECK(name_of(data.train[0]) == "0007_c1s1_000151_01.jpg");
  CHECK(name_of(data.train[3]) == "0110_c6s3_000851_01.jpg");
  CHECK(data.labels == std::vector<int64_t>{0, 0, 1, 2});
  CHECK(data.train_ids == std::vector<int>{7, 22, 110});
  CHECK(data.identities() == 3);
  REQUIRE(data.query.size() == 1);
  CHECK(data.query[0].pid == 3);
  CHECK(data.query[0].camid == 1);
  // The distractor stays, junk goes and is counted.
  REQUIRE(data.gallery.size() == 2);
  CHECK(data.gallery[0].pid == 0);
  CHECK(data.gallery[1].pid == 3);
  CHECK(data.has_cameras);
  CHECK_THAT(data.notice, ContainsSubstring("bounding_box_test: left out 1 junk") &&
                              ContainsSubstring("bounding_box_train: ignored 1 entries"));
  CHECK(load_reid_dataset(data.root).train.size() == 4);
}

TEST_CASE("classes follow the numbers, not the text or the order of files") {
  const TestFolder folder;
  touch(folder, {"bounding_box_train/10_c1.jpg", "bounding_box_train/9_c1.jpg",
                 "bounding_box_train/0100_c1.jpg", "bounding_box_train/010_c2.jpg"});
  const ReidDataset data = load_reid_dataset(folder.path(), {true, false, false});
  CHECK(data.train_ids == std::vector<int>{9, 10, 100});
  // Sorted by name: 0100_c1, 010_c2, 10_c1, 9_c1.
  CHECK(data.labels == std::vector<int64_t>{2, 1, 1, 0});
}

TEST_CASE("a set without cameras loads and says so") {
  const TestFolder folder;
  touch(folder, {"bounding_box_train/0001_a.jpg", "query/0002_a.png", "bounding_box_test/0002_b.JPG",
                 "bounding_box_test/0003_b.jpeg"});
  const ReidDataset data = load_reid_dataset(folder.path());
  CHECK_FALSE(data.has_cameras);
  CHECK(data.gallery.size() == 2);
  CHECK(data.gallery[0].camid == kNoCamera);
  CHECK_THAT(data.notice, ContainsSubstring("3 of 3 query and gallery pictures tell no camera"));
}

TEST_CASE("what cannot be a data set is refused by name and reason") {
  const TestFolder folder;
  CHECK_THAT(load_error(folder.path() + "/none"), ContainsSubstring("/none: no such folder"));
  CHECK_THAT(load_error(folder.write("file.txt", "x")), ContainsSubstring("file.txt: is not a folder"));
  CHECK_THAT(load_error(folder.path()),
             ContainsSubstring("neither it nor a folder in it holds bounding_box_train"));

  touch(folder, market_names());
  std::filesystem::remove_all(folder / "query");
  CHECK_THAT(load_error(folder.path()), ContainsSubstring("/query: no such folder"));
  CHECK_NOTHROW(load_reid_dataset(folder.path(), {true, false, true}));

  std::filesystem::create_directories(folder / "query/sub");
  CHECK_THAT(load_error(folder.path()), ContainsSubstring("/query: holds no JPEG or PNG picture"));
  touch(folder, {"query/-1_c1s1_000001_00.jpg"});
  CHECK_THAT(load_error(folder.path()), ContainsSubstring("/query: holds no picture but junk"));

  touch(folder, {"query/holiday.jpg"});
  CHECK_THAT(load_error(folder.path()),
             ContainsSubstring("query/holiday.jpg") && ContainsSubstring("person number"));
  std::filesystem::remove(folder / "query/holiday.jpg");
  touch(folder, {"query/20230101123456_c1.jpg"});
  CHECK_THAT(load_error(folder.path()), ContainsSubstring("a number of 14 digits"));
}

TEST_CASE("a set may lie two folders deeper, as archives and other programs have it") {
  const TestFolder folder;
  for (const std::string& name : market_names()) folder.write("market1501/Market-1501-v15.09.15/" + name, "");
  touch(folder, {"market1501/__MACOSX/x.txt"});
  CHECK(load_reid_dataset(folder.path()).train.size() == 4);
  CHECK(load_reid_dataset(folder / "market1501").train.size() == 4);
  folder.write("a/b/c/d/query/0001_c1.jpg", "");  // three are too deep
  CHECK_THAT(load_error(folder / "a"), ContainsSubstring("MSMT17") && ContainsSubstring("VeRi-776"));
}

TEST_CASE("VeRi-776 has other folders") {
  const TestFolder folder;
  touch(folder, {"VeRi/image_train/0001_c001_00016450_0.jpg", "VeRi/image_train/0776_c002_00016450_0.jpg",
                 "VeRi/image_query/0002_c002_00030600_0.jpg", "VeRi/image_test/0002_c003_00084280_0.jpg"});
  const ReidDataset data = load_reid_dataset(folder.path());
  CHECK(data.identities() == 2);
  CHECK(data.query.at(0).camid == 2);
  CHECK(data.gallery.at(0).camid == 3);
  CHECK(data.has_cameras);
}

TEST_CASE("MSMT17 says in lists what belongs to a part, in both versions") {
  for (const bool second : {false, true}) {
    const TestFolder folder;
    const std::string train = second ? "mask_train_v2/" : "train/", test = second ? "mask_test_v2/" : "test/";
    touch(folder,
          {train + "0000/0000_000_01_0303morning_0015_0.jpg", train + "0001/0001_000_15_0303noon_0015_0.jpg",
           test + "0000/0000_000_03_0303morning_0001_0.jpg", test + "0000/0000_001_14_0303noon_0002_1.jpg"});
    folder.write("list_train.txt", "0000/0000_000_01_0303morning_0015_0.jpg 0\n\n");
    folder.write("list_val.txt", "0001/0001_000_15_0303noon_0015_0.jpg 1\r\n");
    folder.write("list_query.txt", "0000/0000_000_03_0303morning_0001_0.jpg 0\n");
    folder.write("list_gallery.txt", "0000/0000_001_14_0303noon_0002_1.jpg 0");
    const ReidDataset data = load_reid_dataset(folder.path());
    REQUIRE(data.train.size() == 2);
    CHECK(data.train[1].pid == 1);
    CHECK(data.train[1].camid == 15);
    CHECK(std::filesystem::exists(data.train[0].path));
    CHECK(data.query.at(0).camid == 3);
    CHECK(data.gallery.at(0).camid == 14);
    CHECK(std::filesystem::exists(data.gallery[0].path));
    folder.write("list_query.txt", "0000/0000_000_03_0303morning_0001_0.jpg 0\nno number\n");
    CHECK_THAT(load_error(folder.path()), ContainsSubstring("list_query.txt: line 2 is not a path"));
    std::filesystem::remove_all(folder / test);
    CHECK_THAT(load_error(folder.path()), ContainsSubstring("neither test nor mask_test_v2"));
  }
}

TEST_CASE("a folder for each person tells who is in its pictures") {
  const TestFolder folder;
  touch(folder, {"bounding_box_train/0007/a.jpg", "bounding_box_train/0007/c2_b.png",
                 "bounding_box_train/12/x_c3s1_1.jpg", "bounding_box_train/notes/n.jpg",
                 "query/0003/0003_c1s1_000551_00.jpg", "bounding_box_test/0003/cam_c2.jpg",
                 "bounding_box_test/-1/c1_junk.jpg", "bounding_box_test/0003/more/x.jpg"});
  const ReidDataset data = load_reid_dataset(folder.path());
  REQUIRE(data.train.size() == 3);
  CHECK(data.train[0].pid == 7);
  CHECK(data.train[0].camid == -1);
  CHECK(data.train[1].camid == 2);
  CHECK(data.train[2].pid == 12);
  CHECK(data.train[2].camid == 3);
  CHECK(data.gallery.size() == 1);
  CHECK(data.gallery[0].camid == 2);
  CHECK_THAT(data.notice, ContainsSubstring("left out 1 junk") && ContainsSubstring("ignored 1 entries") &&
                              ContainsSubstring("left out 1 folders") &&
                              ContainsSubstring("the first is notes"));
  touch(folder, {"query/0004_c1.jpg"});
  CHECK_THAT(load_error(folder.path()),
             ContainsSubstring("0004_c1.jpg) beside folders") && ContainsSubstring("(0003)"));
}

TEST_CASE("a parent of two sets is ambiguous") {
  const TestFolder folder;
  for (const char* set : {"duke/", "market/"})
    for (const std::string& name : market_names()) folder.write(set + name, "");
  CHECK_THAT(load_error(folder.path()), ContainsSubstring("more than one data set (duke, market)"));
  CHECK_NOTHROW(load_reid_dataset(folder / "duke"));
}

TEST_CASE("pictures in formats that are not read are counted, and told with what converts them") {
  const TestFolder folder;
  touch(folder, market_names());
  touch(folder, {"query/0005_c1.webp", "query/0004_c1.BMP", "query/._0004_c1.bmp", "query/notes.txt"});
  const std::string notice = load_reid_dataset(folder.path()).notice;
  CHECK_THAT(notice,
             ContainsSubstring("query: 2 pictures are in formats that are not read; convert them, e.g. with "
                               "ImageMagick: convert 0004_c1.BMP 0004_c1.png\n"));
  CHECK_THAT(notice, ContainsSubstring("query: ignored 2 entries"));
  CHECK(notice.back() == '\n');
  CHECK(notice_of(list_images(folder / "bounding_box_test"), "x") ==
        "x: ignored 1 entries that are not JPEG or PNG pictures\n");

  touch(folder, {"others/a.tiff", "others/b.gif"});
  CHECK_THAT(input_error_of([&] { list_images(folder / "others"); }),
             ContainsSubstring("holds no JPEG or PNG picture; 2 pictures") && ContainsSubstring("a.tiff"));
}

TEST_CASE("any folder of pictures can be listed") {
  const TestFolder folder;
  touch(folder, {"b.jpg", "a.png", "0005_c2.jpg", "-1_c1.jpg", "notes.txt", "._a.png"});
  const Folder listed = list_images(folder.path());
  REQUIRE(listed.images.size() == 4);
  CHECK(name_of(listed.images[0]) == "-1_c1.jpg");
  CHECK(listed.images[0].camid == 1);
  CHECK(listed.images[1].pid == 5);
  CHECK(name_of(listed.images[2]) == "a.png");
  CHECK(listed.images[2].pid == -1);
  CHECK(listed.images[2].camid == -1);
  CHECK(listed.ignored == 2);
  CHECK_THROWS_AS(list_images(folder / "empty/x"), InputError);
}
