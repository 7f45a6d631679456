// JPEG files as cameras, disks and old programs leave them.
#include "reid/data/jpeg.h"

#include <cmath>

#include <zlib.h>

#include "reid/data/exif.h"
#include "tests/common/catch.h"
#include "tests/reid/folder.h"
#include "tests/reid/jpeg_files.h"
#include "tests/reid/smooth_image.h"

using namespace saccade;

namespace {

StoredPicture decode(const std::string& file) {
  return decode_jpeg(reinterpret_cast<const uint8_t*>(file.data()), file.size(), "name.jpg");
}
std::string error_of(const std::string& file) {
  return input_error_of([&] { decode(file); });
}

int worst_difference(const Image& a, const Image& b) {
  REQUIRE(a.pixels.size() == b.pixels.size());
  int worst = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i)
    worst = std::max(worst, std::abs(int{a.pixels[i]} - int{b.pixels[i]}));
  return worst;
}

void progressive(jpeg_compress_struct& info) {
  jpeg_simple_progression(&info);
}
void arithmetic(jpeg_compress_struct& info) {
  info.arith_code = TRUE;
}
void with_restarts(jpeg_compress_struct& info) {
  info.restart_interval = 2;
}

// One scan for each component.
void one_by_one(jpeg_compress_struct& info) {
  static const jpeg_scan_info scans[] = {{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
  info.scan_info = scans;
  info.num_scans = 3;
}

// A gray picture whose coefficients come one by one: 64 scans, and with `halves` another 63 for their last bits.
void coefficient_by_coefficient(jpeg_compress_struct& info, bool halves) {
  static jpeg_scan_info scans[127];
  info.scan_info = scans;
  info.num_scans = 0;
  for (int k = 0; k < 64; ++k) scans[info.num_scans++] = {1, {0}, k, k, 0, halves && k > 0 ? 1 : 0};
  for (int k = 1; halves && k < 64; ++k) scans[info.num_scans++] = {1, {0}, k, k, 1, 0};
}

}  // namespace

TEST_CASE("what every viewer opens is read, pixel by pixel as if it were flawless") {
  const Image image = smooth_image(37, 21, 32);
  for (const auto& kind : {+[](jpeg_compress_struct&) {}, progressive, with_restarts, one_by_one}) {
    const std::string whole = jpeg_file(image, kind);
    const StoredPicture expected = decode(whole);
    CHECK(expected.flaw.empty());
    CHECK(worst_difference(expected.image, image) <= 24);
    const size_t tables = whole.find("\xff\xdb");
    const auto same = [&](const std::string& file) {
      const StoredPicture picture = decode(file);
      CHECK(picture.image.pixels == expected.image.pixels);
      return picture.flaw;
    };
    same(with_stray_marker(whole));  // libjpeg does not even warn
    CHECK_THAT(same(with_stray_bytes(whole)), ContainsSubstring("2 extraneous bytes"));
    CHECK_THAT(same(without_end(whole)), ContainsSubstring("Premature end"));
    CHECK_THAT(same(with_stray_bytes(without_end(whole))), ContainsSubstring("2 extraneous bytes"));
    CHECK_THAT(same(whole.substr(0, whole.size() - 1)), ContainsSubstring("Premature end"));
    CHECK_THAT(same(whole.substr(0, tables) + "stray" + whole.substr(tables)),
               ContainsSubstring("5 extraneous"));
    same(whole.substr(0, tables) + "\xff\xff\xff" + whole.substr(tables));  // fill bytes are allowed
    CHECK(same(whole + std::string(4096, '\0')).empty());
    CHECK(same(whole + "\xff\xd9" + whole).empty());
    if (kind == progressive || kind == one_by_one) continue;
    // Where a single scan has all, whatever comes after it does no harm.
    CHECK_THAT(same(without_end(whole) + std::string("\xff\xc4\0\1", 4)), ContainsSubstring("Bogus"));
  }
}

TEST_CASE(
    "a picture that is cut off in its data is refused, wherever, and whether or not an end marker follows") {
  const Image image = smooth_image(24, 17, 32);
  for (const auto& kind :
       {+[](jpeg_compress_struct&) {}, progressive, with_restarts, one_by_one, arithmetic}) {
    const std::string whole = jpeg_file(image, kind);
    for (size_t size = 2; size < whole.size() - 2; ++size)
      CHECK_THAT(error_of(whole.substr(0, size)), ContainsSubstring("name.jpg: is truncated"));
    // A disk that filled up leaves a file of the right size that ends in zeros.
    std::string zeros = whole;
    std::fill(zeros.begin() + static_cast<int64_t>(whole.size() * 2 / 3), zeros.end(), '\0');
    CHECK_THAT(error_of(zeros), ContainsSubstring("name.jpg: is"));
    if (kind == arithmetic || kind == progressive) continue;  // these may end early; the end marker says so
    for (size_t size = 2; size < whole.size() - 2; ++size)
      CHECK_THAT(error_of(whole.substr(0, size) + "\xff\xd9"), ContainsSubstring("name.jpg: is"));
  }
  // With arithmetic coding nobody can tell whether all was there.
  CHECK_THAT(error_of(without_end(jpeg_file(image, arithmetic))), ContainsSubstring("truncated"));
}

TEST_CASE("a color component that no scan holds is missing, whatever the end marker says") {
  const std::string whole = jpeg_file(smooth_image(24, 17, 32), one_by_one);
  size_t scan = 0;
  for (int i = 0; i < 3; ++i) scan = whole.find("\xff\xda", scan + 1);
  CHECK_THAT(error_of(whole.substr(0, scan) + "\xff\xd9"), ContainsSubstring("is truncated"));
}

TEST_CASE("pictures of ink, of gray and of arithmetic coding become RGB") {
  const Image image = smooth_image(24, 16, 32);
  // Adobe's values are inverted, so a color of three inks times the fourth is what the eye sees.
  Image inks = image;
  for (uint8_t& value : inks.pixels) value = static_cast<uint8_t>((value * 200 + 127) / 255);
  CHECK(worst_difference(decode(jpeg_file(image, {}, JCS_CMYK, 4)).image, inks) <= 24);
  const auto as_ycck = [](jpeg_compress_struct& info) { jpeg_set_colorspace(&info, JCS_YCCK); };
  CHECK(worst_difference(decode(jpeg_file(image, as_ycck, JCS_CMYK, 4)).image, inks) <= 24);
  const auto as_rgb = [](jpeg_compress_struct& info) { jpeg_set_colorspace(&info, JCS_RGB); };
  CHECK(worst_difference(decode(jpeg_file(image, as_rgb)).image, image) <= 24);
  CHECK(worst_difference(decode(jpeg_file(image, arithmetic)).image, image) <= 24);

  const Image gray = decode(jpeg_file(image, {}, JCS_GRAYSCALE, 1)).image;
  for (int x = 0; x < 16; ++x) {
    CHECK(std::abs(gray.at(12, x)[0] - image.at(12, x)[0]) <= 24);
    CHECK(gray.at(12, x)[1] == gray.at(12, x)[0]);
    CHECK(gray.at(12, x)[2] == gray.at(12, x)[0]);
  }
}

TEST_CASE("a kind of JPEG that is not supported is called by its name, with what to do") {
  const std::string whole = jpeg_file(smooth_image(16, 16, 32));
  const size_t frame = whole.find("\xff\xc0");
  REQUIRE(frame != std::string::npos);
  const auto with_byte = [&](size_t at, int value) {
    std::string file = whole;
    file[frame + at] = static_cast<char>(value);
    return error_of(file);
  };
  const auto says = [](const std::string& kind) {
    return ContainsSubstring(
        "name.jpg: is " + kind +
        ", which is not supported; convert it, e.g. with ImageMagick: convert IN OUT.png");
  };
  CHECK_THAT(with_byte(4, 12), says("a 12-bit JPEG"));
  CHECK_THAT(with_byte(4, 9), ContainsSubstring("name.jpg: is damaged"));
#if LIBJPEG_TURBO_VERSION_NUMBER < 3000000
  CHECK_THAT(with_byte(1, 0xc3), says("a lossless JPEG"));
#endif
  CHECK_THAT(with_byte(1, 0xc5), says("a hierarchical JPEG"));
}

TEST_CASE("a file of many scans is read up to a limit") {
  const Image image = smooth_image(16, 16, 32);
  const auto scans = [&](bool halves) {
    return jpeg_file(
        image, [&](jpeg_compress_struct& info) { coefficient_by_coefficient(info, halves); }, JCS_GRAYSCALE,
        1);
  };
  CHECK_NOTHROW(decode(scans(false)));
  CHECK_THAT(error_of(scans(true)), ContainsSubstring("name.jpg: is damaged: it has more than 100 scans"));
}

TEST_CASE("the camera's orientation is read in both byte orders, and each turns the picture upright") {
  // The corners of the file, from its top left clockwise, are red, green, blue and white.
  Image image(24, 16);
  const uint8_t colors[4][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}};
  for (int y = 0; y < 24; ++y)
    for (int x = 0; x < 16; ++x)
      std::copy_n(colors[y < 12 ? (x < 8 ? 0 : 1) : (x < 8 ? 3 : 2)], 3, image.at(y, x));
  // Where they are once it is upright, in the same order.
  const char* upright_corners[] = {"rgbw", "grwb", "bwrg", "wbgr", "rwbg", "wrgb", "bgrw", "gbwr"};
  const std::string file =
      jpeg_file(image, [](jpeg_compress_struct& info) { jpeg_set_colorspace(&info, JCS_RGB); });
  for (int orientation = 1; orientation <= 8; ++orientation)
    for (const bool little : {true, false}) {
      INFO(orientation);
      const std::string held = with_orientation(file, orientation, little);
      CHECK(decode(held).orientation == orientation);
      ImageNotes notes;
      const auto* bytes = reinterpret_cast<const uint8_t*>(held.data());
      const Image turned = decode_image(bytes, held.size(), "name.jpg", Orientation::apply, &notes);
      CHECK(notes.turned == (orientation != 1));
      CHECK(turned.height == (orientation < 5 ? 24 : 16));
      std::string corners;
      for (const auto& [down, right] : {std::pair(0, 0), {0, 1}, {1, 1}, {1, 0}}) {
        const uint8_t* pixel = turned.at(down * (turned.height - 1), right * (turned.width - 1));
        corners += pixel[0] > 128 ? (pixel[1] > 128 ? 'w' : 'r') : (pixel[1] > 128 ? 'g' : 'b');
      }
      CHECK(corners == upright_corners[orientation - 1]);
      const Image as_it_lies = decode_image(bytes, held.size(), "name.jpg", Orientation::ignore, &notes);
      CHECK(as_it_lies.pixels == decode(file).image.pixels);
      CHECK_FALSE(notes.turned);
    }
}

TEST_CASE("a PNG is turned as its eXIf chunk says") {
  const Image image = smooth_image(12, 8);
  const std::vector<uint8_t> plain = encode_png(image);
  const auto word = [](uint32_t value) {
    return std::string{static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                       static_cast<char>(value >> 8), static_cast<char>(value)};
  };
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string content = "eXIf" + exif_content(orientation, orientation % 2 == 0).substr(6);
    const auto sum = crc32_z(0, reinterpret_cast<const uint8_t*>(content.data()), content.size());
    const std::string chunk =
        word(static_cast<uint32_t>(content.size() - 4)) + content + word(static_cast<uint32_t>(sum));
    std::string file(plain.begin(), plain.end());
    file.insert(8 + 25, chunk);  // behind the signature and IHDR
    const auto* bytes = reinterpret_cast<const uint8_t*>(file.data());
    ImageNotes notes;
    CHECK(decode_image(bytes, file.size(), "name.png", Orientation::apply, &notes).pixels ==
          upright(image, orientation).pixels);
    CHECK(notes.turned == (orientation != 1));
    CHECK(decode_image(bytes, file.size(), "name.png", Orientation::ignore, &notes).pixels == image.pixels);
    CHECK_FALSE(notes.turned);
  }
}

TEST_CASE("an Exif segment that leads nowhere leaves the picture as it lies") {
  const auto read = [](const std::string& content) {
    return exif_orientation({reinterpret_cast<const uint8_t*>(content.data()), content.size()});
  };
  for (const bool little : {true, false}) {
    const std::string good = exif_content(6, little);
    REQUIRE(read(good) == 6);
    for (size_t size = 0; size < good.size(); ++size) {
      const int orientation = read(good.substr(0, size));
      CHECK((orientation == 1 || orientation == 6));
    }
    const auto with_byte = [&](size_t at, int value) {
      std::string content = good;
      content[at] = static_cast<char>(value);
      return read(content);
    };
    for (size_t at = 10; at < 14; ++at)
      for (const int value : {1, 127, 255}) CHECK(with_byte(at, value) == 1);  // the offset of the entries
    CHECK(with_byte(little ? 8 : 9, 43) == 1);                                 // no TIFF
    for (size_t at = 0; at < good.size(); ++at)
      for (int value = 0; value < 256; ++value) {
        const int orientation = with_byte(at, value);
        REQUIRE((orientation >= 1 && orientation <= 8));
      }
    for (const int value : {0, 9, 255, 65535}) CHECK(read(exif_content(value, little)) == 1);
    // A LONG instead of a SHORT, as some programs write it. The entry's type lies at byte 30.
    std::string with_long = good;
    with_long[little ? 30 : 31] = 4;
    if (!little) std::swap(with_long[36], with_long[38]), std::swap(with_long[37], with_long[39]);
    CHECK(read(with_long) == 6);
  }
  CHECK(read("http://ns.adobe.com/xap/1.0/ tiff:Orientation=\"6\"") == 1);
  const std::string file = jpeg_file(smooth_image(8, 8, 32));
  CHECK(decode(with_part(file, segment(0xe1, std::string("Exif\0\0", 6)))).orientation == 1);
}
