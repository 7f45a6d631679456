#include "reid/data/image.h"

#include <stb/stb_image_write.h>

#include <cmath>

#include "tests/common/catch.h"
#include "tests/reid/folder.h"
#include "tests/reid/smooth_image.h"

using namespace saccade;

namespace {

std::string png_bytes(const Image& image) {
  const std::vector<uint8_t> bytes = encode_png(image);
  return {bytes.begin(), bytes.end()};
}

std::string jpeg_bytes(const Image& image, int quality = 90) {
  std::string bytes;
  stbi_write_jpg_to_func(
      [](void* to, void* data, int size) {
        static_cast<std::string*>(to)->append(static_cast<char*>(data), size);
      },
      &bytes, image.width, image.height, 3, image.pixels.data(), quality);
  return bytes;
}

Image decode(const std::string& bytes) {
  return decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), "name.jpg");
}

}  // namespace

TEST_CASE("a PNG keeps every pixel, a JPEG nearly") {
  const TestFolder folder;
  const Image image = noise_image(13, 7, 1);
  write_png(folder / "a.png", image);
  const Image back = read_image(folder / "a.png");
  CHECK(back.height == 13);
  CHECK(back.width == 7);
  CHECK(back.pixels == image.pixels);
  CHECK_FALSE(std::filesystem::exists(folder / "a.png.tmp"));

  const Image smooth = smooth_image(40, 24);
  const Image lossy = decode(jpeg_bytes(smooth));
  REQUIRE(lossy.pixels.size() == smooth.pixels.size());
  int worst = 0;
  for (size_t i = 0; i < smooth.pixels.size(); ++i)
    worst = std::max(worst, std::abs(int{smooth.pixels[i]} - int{lossy.pixels[i]}));
  CHECK(worst <= 24);
}

TEST_CASE("gray pictures become RGB and alpha is dropped") {
  const TestFolder folder;
  const uint8_t gray[4] = {0, 100, 200, 255};
  stbi_write_png((folder / "gray.png").c_str(), 2, 2, 1, gray, 2);
  CHECK(read_image(folder / "gray.png").pixels ==
        std::vector<uint8_t>{0, 0, 0, 100, 100, 100, 200, 200, 200, 255, 255, 255});
  const uint8_t rgba[4] = {10, 20, 30, 0};
  stbi_write_png((folder / "rgba.png").c_str(), 1, 1, 4, rgba, 4);
  CHECK(read_image(folder / "rgba.png").pixels == std::vector<uint8_t>{10, 20, 30});
}

TEST_CASE("a file that is no picture is refused by name and reason") {
  const TestFolder folder;
  const auto error_of = [](const std::string& path) { return input_error_of([&] { read_image(path); }); };
  const std::string missing = folder / "missing.jpg";
  CHECK_THAT(error_of(missing), ContainsSubstring(missing) && ContainsSubstring("cannot be opened"));
  CHECK_THAT(error_of(folder.path()), ContainsSubstring("is a folder"));
  CHECK_THAT(error_of(folder.write("zero.jpg", "")),
             ContainsSubstring("zero.jpg") && ContainsSubstring("0 bytes"));
  CHECK_THAT(error_of(folder.write("text.jpg", "this is a letter, not a picture\n")),
             ContainsSubstring("text.jpg") && ContainsSubstring("neither a JPEG nor a PNG"));
  CHECK_THAT(error_of(folder.write("short.jpg", "\xff\xd8\xff")), ContainsSubstring("truncated"));
  CHECK_THAT(error_of(folder.write("frames.jpg", "GIF89a and so on")),
             ContainsSubstring("frames.jpg: is a GIF, not a JPEG or a PNG") &&
                 ContainsSubstring("convert IN OUT.png"));
  CHECK_THAT(error_of(folder.write("windows.png", "BM and so on")),
             ContainsSubstring("windows.png: is a BMP"));
  CHECK_THAT(error_of(folder.write("web.jpg", "RIFF1234WEBPVP8 ")),
             ContainsSubstring("web.jpg: is a WebP") && ContainsSubstring("convert IN OUT.png"));
  const std::string damaged = std::string("\xff\xd8\xff\xe0\x00\x04zz", 8) + "\xff\xd9";
  CHECK_THAT(error_of(folder.write("damaged.jpg", damaged)), ContainsSubstring("damaged.jpg: is damaged"));
  for (const char* name : {"zero.jpg", "text.jpg", "damaged.jpg"})
    CHECK(error_of(folder / name).find('\n') == std::string::npos);
}

TEST_CASE("a picture cut off at any byte is refused") {
  const Image image = smooth_image(24, 16);
  for (const std::string& bytes : {jpeg_bytes(image), png_bytes(image)}) {
    REQUIRE_NOTHROW(decode(bytes));
    const size_t end_marker = bytes[0] == '\xff' ? 2 : 12;  // the picture is whole without it
    for (size_t size = 0; size < bytes.size() - end_marker; ++size)
      CHECK_THROWS_AS(decode(bytes.substr(0, size)), InputError);
    CHECK_NOTHROW(decode(bytes + "trailing bytes do no harm"));
    // A disk that filled up leaves a file of the right size that ends in zeros.
    std::string zeros = bytes;
    std::fill(zeros.begin() + static_cast<int64_t>(bytes.size() * 2 / 3), zeros.end(), '\0');
    CHECK_THROWS_AS(decode(zeros), InputError);
  }
}

TEST_CASE("a PNG without its end marker, or with half of it, is a whole picture with a flaw") {
  const Image image = smooth_image(24, 16);
  const std::string bytes = png_bytes(image);
  for (size_t cut = 0; cut <= 12; ++cut) {
    ImageNotes notes;
    const std::string file = bytes.substr(0, bytes.size() - cut);
    const auto* data = reinterpret_cast<const uint8_t*>(file.data());
    CHECK(decode_image(data, file.size(), "name.png", Orientation::apply, &notes).pixels == image.pixels);
    CHECK(notes.flaw == (cut == 0 ? "" : "its end marker is missing"));
  }
}

TEST_CASE("the end marker of a thumbnail does not hide that the picture is cut off") {
  const std::string whole = jpeg_bytes(smooth_image(24, 16)), thumbnail = jpeg_bytes(smooth_image(8, 8));
  const size_t length = thumbnail.size() + 2;
  REQUIRE(length < 65536);
  const std::string segment =
      std::string("\xff\xe1") + static_cast<char>(length >> 8) + static_cast<char>(length & 255) + thumbnail;
  const std::string nested = whole.substr(0, 2) + segment + whole.substr(2);
  CHECK(decode(nested).pixels == decode(whole).pixels);
  CHECK_THROWS_AS(decode(nested.substr(0, nested.size() - 3)), InputError);
  CHECK_THROWS_AS(decode(nested.substr(0, 2 + segment.size() + 200)), InputError);
}

TEST_CASE("flipped bytes give an error or a picture, never a crash") {
  const Image image = smooth_image(16, 16);
  PhiloxStream random(5);
  for (const std::string& bytes : {jpeg_bytes(image), png_bytes(image)})
    for (int trial = 0; trial < 300; ++trial) {
      std::string damaged = bytes;
      for (int flips = 0; flips < 4; ++flips)
        damaged[random.below(static_cast<uint32_t>(damaged.size()))] = static_cast<char>(random.below(256));
      try {
        const Image picture = decode(damaged);
        REQUIRE(picture.pixels.size() == static_cast<size_t>(picture.height) * picture.width * 3);
      } catch (const InputError&) {
      }
    }
}

TEST_CASE("a single flipped bit in a PNG is found") {
  const std::string bytes = png_bytes(smooth_image(8, 8));
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    CHECK_THROWS_AS(decode(damaged), InputError);
  }
}

TEST_CASE("a header that claims a huge picture is refused before memory is taken") {
  // A JPEG has no checksums, so height and width in its frame header can be overwritten.
  std::string bytes = jpeg_bytes(smooth_image(8, 8));
  const size_t frame = bytes.find("\xff\xc0");
  REQUIRE(frame != std::string::npos);
  bytes.replace(frame + 5, 4, "\x27\x10\x27\x10");
  CHECK_THAT(input_error_of([&] { decode(bytes); }),
             ContainsSubstring("10000 x 10000, more than 64000000 pixels"));
}

TEST_CASE("resize follows its formula") {
  Image two(1, 2);
  two.pixels = {0, 0, 0, 200, 100, 40};
  SECTION("enlarging interpolates between pixel centers and holds the border") {
    const Image four = resize(two, 1, 4);
    CHECK(four.pixels == std::vector<uint8_t>{0, 0, 0, 50, 25, 10, 150, 75, 30, 200, 100, 40});
  }
  SECTION("shrinking averages what it covers") {
    // Radius 2 around center 2 of four pixels: weights 1/4 3/4 3/4 1/4 over their sum 2.
    Image four(1, 4);
    four.pixels = {0, 0, 0, 80, 80, 80, 160, 160, 160, 240, 8, 240};
    const Image one = resize(four, 1, 2);
    // Center 1: pixels at distance 0.5, 0.5, 1.5 weigh 3/4, 3/4, 1/4.
    CHECK(int{one.pixels[0]} == static_cast<int>(std::lround((0.75 * 0 + 0.75 * 80 + 0.25 * 160) / 1.75)));
    CHECK(int{one.pixels[4]} == static_cast<int>(std::lround((0.25 * 80 + 0.75 * 160 + 0.75 * 8) / 1.75)));
  }
  SECTION("a flat picture stays flat and the same size is a copy") {
    const Image flat = resize(Image(37, 11, 123), 64, 32);
    CHECK(flat.pixels == std::vector<uint8_t>(64 * 32 * 3, 123));
    const Image noise = noise_image(9, 5, 2);
    CHECK(resize(noise, 9, 5).pixels == noise.pixels);
  }
  SECTION("mirrored input gives mirrored output") {
    const Image noise = noise_image(31, 17, 3);
    Image mirrored = noise;
    for (int y = 0; y < 31; ++y)
      for (int x = 0; x < 17; ++x)
        for (int c = 0; c < 3; ++c) mirrored.at(y, x)[c] = noise.at(y, 16 - x)[c];
    const Image a = resize(noise, 20, 10), b = resize(mirrored, 20, 10);
    for (int y = 0; y < 20; ++y)
      for (int x = 0; x < 10; ++x)
        for (int c = 0; c < 3; ++c) CHECK(std::abs(a.at(y, x)[c] - b.at(y, 9 - x)[c]) <= 1);
  }
}

TEST_CASE("a picture that cannot be written is an error that names it") {
  const TestFolder folder;
  const std::string path = folder.path() + "/no_such_folder/a.png";
  CHECK_THROWS_WITH(write_png(path, Image(2, 2)), ContainsSubstring(path));
  if (std::filesystem::exists("/dev/full")) CHECK_THROWS_AS(write_png("/dev/full/a.png", Image(2, 2)), Error);
}
