#include "reid/data/image_cache.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "reid/data/for_each_index.h"
#include "tests/common/catch.h"
#include "tests/reid/folder.h"

using namespace saccade;

namespace {

constexpr int kHeight = 24, kWidth = 12;
constexpr int64_t kPictureBytes = kHeight * kWidth * 3;

std::vector<std::string> write_pictures(const TestFolder& folder, int count) {
  std::vector<std::string> paths;
  for (int i = 0; i < count; ++i) {
    paths.push_back(folder / (std::to_string(i) + ".png"));
    write_png(paths.back(), noise_image(20 + i % 3, 10 + i % 5, 100 + i));
  }
  return paths;
}

}  // namespace

TEST_CASE("a cache gives each picture at its size, kept or not") {
  const TestFolder folder;
  const std::vector<std::string> paths = write_pictures(folder, 5);
  for (const int64_t kept : {5, 2, 0}) {
    ImageCache cache(paths, kHeight, kWidth, kept * kPictureBytes);
    CHECK(cache.kept() == kept);
    std::vector<uint8_t> scratch;
    for (int repeat = 0; repeat < 2; ++repeat)
      for (int64_t i = 0; i < 5; ++i) {
        const Image expected = resize(read_image(paths[i]), kHeight, kWidth);
        const ImageCache::Picture picture = cache.get(i, scratch);
        CHECK(std::equal(expected.pixels.begin(), expected.pixels.end(), picture.pixels));
        CHECK((picture.pixels == scratch.data()) == (i >= kept));
        double gray = 0;
        for (size_t p = 0; p < expected.pixels.size(); p += 3)
          gray +=
              0.299 * expected.pixels[p] + 0.587 * expected.pixels[p + 1] + 0.114 * expected.pixels[p + 2];
        CHECK(picture.gray_mean == Approx(gray / (kHeight * kWidth)).epsilon(1e-6));
      }
  }
  CHECK_THROWS_AS(ImageCache(paths, 0, kWidth, 0), Error);
}

TEST_CASE("preload finds the first bad picture by its index") {
  const TestFolder folder;
  const std::vector<std::string> paths = write_pictures(folder, 12);
  for (const int bad : {5, 6, 11}) std::filesystem::resize_file(paths[bad], bad == 6 ? 0 : 40);
  for (const int threads : {1, 2, 3}) {
    ImageCache cache(paths, kHeight, kWidth, 12 * kPictureBytes);
    CHECK_THAT(input_error_of([&] { cache.preload(threads); }), ContainsSubstring(paths[5]));
  }
}

TEST_CASE("what was preloaded needs its files no more") {
  const TestFolder folder;
  const std::vector<std::string> paths = write_pictures(folder, 5);
  ImageCache cache(paths, kHeight, kWidth, 5 * kPictureBytes);
  CHECK_NOTHROW(cache.preload(3));
  for (const std::string& path : paths) std::filesystem::remove(path);
  std::vector<uint8_t> scratch;
  for (int64_t i = 0; i < 5; ++i) CHECK(cache.get(i, scratch).pixels == cache.data() + i * kPictureBytes);
}

TEST_CASE("the caller's thread counts what is done, and an exception of the one who counts ends the work") {
  for (const int threads : {1, 2, 5}) {
    std::vector<int64_t> counts;
    const std::thread::id own = std::this_thread::get_id();
    for_each_index(
        200, threads, [](int64_t) {},
        [&](int64_t done, int64_t all) {
          CHECK(all == 200);
          CHECK(std::this_thread::get_id() == own);
          counts.push_back(done);
        });
    CHECK(std::is_sorted(counts.begin(), counts.end()));
    CHECK(std::count(counts.begin(), counts.end(), 200) == 1);
    if (threads == 1) CHECK(counts.size() == 200);

    std::atomic<int64_t> works{0};
    struct Stop {};
    const auto stop = [](int64_t, int64_t) { throw Stop(); };
    const auto fails_later = [&](int64_t i) {
      ++works;
      check(i < 150, "too far");
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    };
    CHECK_THROWS_AS(for_each_index(200, threads, fails_later, stop), Stop);
    CHECK(works < 100);
    for_each_index(
        0, threads, [](int64_t) {}, stop);
  }
}

TEST_CASE("work on each index once, and the error of the lowest") {
  for (const int threads : {1, 2, 5}) {
    std::vector<std::atomic<int>> done(200);
    for_each_index(200, threads, [&](int64_t i) { ++done[static_cast<size_t>(i)]; });
    CHECK(std::all_of(done.begin(), done.end(), [](const std::atomic<int>& times) { return times == 1; }));
    for_each_index(0, threads, [&](int64_t) { FAIL("there is no index"); });
    for (int trial = 0; trial < 50; ++trial)
      CHECK_THROWS_WITH(
          for_each_index(200, threads,
                         [&](int64_t i) { check(i < 3 || i % 4 != 3, "index ", i, " is bad"); }),
          "index 3 is bad");
  }
}
