#include "reid/data/jpeg.h"

#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>  // after <cstdio>, which it uses

#include <jerror.h>  // after jpeglib.h, whose version decides its numbers

#include <algorithm>
#include <vector>

#include "kernels/common/error.h"
#include "reid/data/exif.h"

namespace saccade {
namespace {

// Encoders make about ten scans. A small file can hold thousands, and each is a pass over all pixels.
constexpr int kMostScans = 100;

// A decoder of libjpeg that reads from memory and prints nothing. When libjpeg gives up, it comes back to survives().
struct Decoder {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_source_mgr source{};
  jpeg_progress_mgr progress{};
  std::jmp_buf back;
  char reason[JMSG_LENGTH_MAX] = "";  // why libjpeg gave up
  char flaw[JMSG_LENGTH_MAX] = "";    // its first warning
  bool ended = false;                 // it asked for more bytes than there are
  bool lost = false;                  // a part of the picture is missing

  Decoder(const uint8_t* bytes, size_t size);
  ~Decoder() { jpeg_destroy_decompress(&info); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
};

template <class Info>
Decoder& decoder_of(Info* info) {
  return *static_cast<Decoder*>(info->client_data);
}

// False if libjpeg gave up in `work`, which keeps no object with a destructor across its calls: longjmp() skips them.
template <class Work>
bool survives(Decoder& decoder, const Work& work) {
  if (setjmp(decoder.back) != 0) return false;
  work();
  return true;
}

[[noreturn]] void give_up(j_common_ptr info) {
  Decoder& decoder = decoder_of(info);
  info->err->format_message(info, decoder.reason);
  std::longjmp(decoder.back, 1);
}

void take_message(j_common_ptr info, int level) {
  if (level >= 0) return;  // no warning, but a trace
  Decoder& decoder = decoder_of(info);
  const int code = info->err->msg_code;
  // Decoding ran out of data, or the file ends in bytes that belong to nothing (zeros, after a full disk).
  decoder.lost = code == JWRN_HIT_MARKER || (code == JWRN_EXTRANEOUS_DATA && decoder.ended);
  if (decoder.lost) give_up(info);
  if (decoder.flaw[0] == '\0') info->err->format_message(info, decoder.flaw);
}

// After the last byte comes an end marker, as often as libjpeg asks.
boolean continue_with_end(j_decompress_ptr info) {
  static const JOCTET end[] = {0xff, JPEG_EOI};
  decoder_of(info).ended = true;
  WARNMS(info, JWRN_JPEG_EOF);
  info->src->next_input_byte = end;
  info->src->bytes_in_buffer = sizeof end;
  return TRUE;
}

void skip_bytes(j_decompress_ptr info, long count) {
  const size_t skipped = std::min(static_cast<size_t>(std::max(count, 0L)), info->src->bytes_in_buffer);
  info->src->next_input_byte += skipped;
  info->src->bytes_in_buffer -= skipped;
}

void count_scans(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMostScans) return;
  Decoder& decoder = decoder_of(info);
  std::snprintf(decoder.reason, sizeof decoder.reason, "it has more than %d scans", kMostScans);
  std::longjmp(decoder.back, 1);
}

Decoder::Decoder(const uint8_t* bytes, size_t size) {
  info.err = jpeg_std_error(&errors);
  info.client_data = this;
  errors.error_exit = give_up;
  errors.emit_message = take_message;
  errors.output_message = [](j_common_ptr) {};
  source.next_input_byte = bytes;
  source.bytes_in_buffer = size;
  source.init_source = source.term_source = [](j_decompress_ptr) {};
  source.fill_input_buffer = continue_with_end;
  source.skip_input_data = skip_bytes;
  source.resync_to_restart = jpeg_resync_to_restart;
  progress.progress_monitor = count_scans;
}

// What the header says of a picture that libjpeg does not decode; empty for one that is damaged.
std::string unsupported_kind(const Decoder& decoder) {
#ifndef D_ARITH_CODING_SUPPORTED
  if (decoder.info.arith_code) return "a JPEG with arithmetic coding";
#endif
  const int value = decoder.errors.msg_parm.i[0];
  switch (decoder.errors.msg_code) {
    case JERR_BAD_PRECISION:
      return value == 12 || value == 16 ? concat("a ", value, "-bit JPEG") : "";
    case JERR_CONVERSION_NOTIMPL:
      return "a JPEG of unknown colors";
    case JERR_SOF_UNSUPPORTED:
      return value % 4 == 3 ? "a lossless JPEG" : "a hierarchical JPEG";
    default:
      return "";
  }
}

[[noreturn]] void refuse(const Decoder& decoder, const std::string& name) {
  const std::string kind = unsupported_kind(decoder);
  if (!kind.empty()) throw InputError(concat(name, ": is ", kind, ", which is not supported; ", kConvert));
  if (decoder.ended || decoder.lost)
    throw InputError(concat(name, ": is truncated or damaged: its data ends before the picture does"));
  throw InputError(concat(name, ": is damaged: ", decoder.reason));
}

// Whether the scans held all of the picture. libjpeg is content with fewer: it shows what it has.
bool has_all_scans(const Decoder& decoder) {
  const jpeg_decompress_struct& info = decoder.info;
  for (int c = 0; c < info.num_components; ++c) {
    if (info.comp_info[c].quant_table == nullptr) return false;  // no scan had this component
    // A coefficient's bits that are still to come: none, or the last scans are missing. A file with an end marker is
    // taken at its word, since an encoder may leave out coefficients that are all 0.
    if (decoder.ended && info.coef_bits != nullptr)
      for (int k = 0; k < DCTSIZE2; ++k)
        if (info.coef_bits[c][k] != 0) return false;
  }
  return true;
}

}  // namespace

StoredPicture decode_jpeg(const uint8_t* bytes, size_t size, const std::string& name) {
  Decoder decoder(bytes, size);
  jpeg_decompress_struct& info = decoder.info;
  const bool begun = survives(decoder, [&] {
    jpeg_create_decompress(&info);
    info.src = &decoder.source;
    info.progress = &decoder.progress;
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info, TRUE);
  });
  if (!begun) refuse(decoder, name);
  check_input(int64_t{info.image_width} * info.image_height <= kMostPixels, name, ": is ", info.image_width,
              " x ", info.image_height, ", more than ", kMostPixels, " pixels");

  StoredPicture picture;
  picture.image = Image(static_cast<int>(info.image_height), static_cast<int>(info.image_width));
  for (jpeg_saved_marker_ptr marker = info.marker_list; marker != nullptr; marker = marker->next) {
    picture.orientation = exif_orientation({marker->data, marker->data_length});
    if (picture.orientation != 1) break;
  }

  const bool inks = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  std::vector<uint8_t> ink_row(inks ? size_t{info.image_width} * 4 : 0);
  const bool decoded = survives(decoder, [&] {
    info.out_color_space = inks ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info);
    while (info.output_scanline < info.output_height) {
      uint8_t* to = picture.image.at(static_cast<int>(info.output_scanline), 0);
      JSAMPROW row = inks ? ink_row.data() : to;
      jpeg_read_scanlines(&info, &row, 1);
      for (size_t x = 0; inks && x < info.image_width; ++x, to += 3)
        for (int c = 0; c < 3; ++c)
          to[c] = static_cast<uint8_t>((row[4 * x + c] * row[4 * x + 3] + 127) / 255);
    }
  });
  if (decoded && !has_all_scans(decoder)) decoder.lost = true;
  if (!decoded || decoder.lost) refuse(decoder, name);
  // All pixels are there; what follows in the file is at most a flaw, unless it stands where data should be.
  const bool finished = survives(decoder, [&] { jpeg_finish_decompress(&info); });
  picture.flaw = finished || decoder.flaw[0] != '\0' ? decoder.flaw : decoder.reason;
  // Arithmetic coding reads zeros after the end of its data and does not say whether it needed them.
  if (info.arith_code && !picture.flaw.empty()) decoder.lost = true;
  if (decoder.lost) refuse(decoder, name);
  return picture;
}

}  // namespace saccade
