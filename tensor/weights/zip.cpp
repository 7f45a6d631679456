#include "tensor/weights/zip.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "kernels/common/error.h"
#include "tensor/weights/weight_file.h"

namespace saccade {

namespace {

constexpr uint64_t kEndSize = 22, kLocatorSize = 20, kEnd64Size = 56, kRecordSize = 46, kLocalSize = 30;
constexpr uint64_t kMaxDirectory = 64 << 20;

template <class T>
T field(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

bool has_signature(const std::byte* bytes, uint32_t signature) {
  return field<uint32_t>(bytes) == signature;
}

struct Directory {
  uint64_t offset = 0, size = 0, entries = 0;
};

// The end record is the last one whose comment reaches exactly to the end of the file.
uint64_t find_end(const ByteSource& source, const std::vector<std::byte>& tail) {
  const uint64_t tail_start = source.size() - tail.size();
  for (uint64_t at = tail.size() - kEndSize + 1; at-- > 0;) {
    const std::byte* end = tail.data() + at;
    if (has_signature(end, 0x06054b50) && field<uint16_t>(end + 20) == tail.size() - at - kEndSize) {
      return tail_start + at;
    }
  }
  throw InputError(source.name() + ": the zip archive has no end record; the file is truncated or damaged");
}

Directory find_directory(const ByteSource& source) {
  const std::string& file = source.name();
  check_input(source.size() >= kEndSize, file, ": too short for a zip archive");
  std::vector<std::byte> tail(std::min<uint64_t>(source.size(), kEndSize + 0xffff));
  source.read(source.size() - tail.size(), tail.data(), tail.size());
  uint64_t end = find_end(source, tail);
  const std::byte* record = tail.data() + (end - (source.size() - tail.size()));
  Directory out{field<uint32_t>(record + 16), field<uint32_t>(record + 12), field<uint16_t>(record + 10)};

  std::byte locator[kLocatorSize];
  if (end >= kLocatorSize) source.read(end - kLocatorSize, locator, kLocatorSize);
  if (end >= kLocatorSize && has_signature(locator, 0x07064b50)) {
    end = field<uint64_t>(locator + 8);
    std::byte end64[kEnd64Size];
    source.read(end, end64, kEnd64Size);
    check_input(has_signature(end64, 0x06064b50), file, ": the zip64 end record is damaged");
    out = {field<uint64_t>(end64 + 48), field<uint64_t>(end64 + 40), field<uint64_t>(end64 + 32)};
  }
  check_input(out.offset <= end && out.size <= end - out.offset, file,
              ": the zip directory lies outside the file; truncated or damaged");
  check_input(out.size <= kMaxDirectory, file, ": the zip directory is larger than ", kMaxDirectory,
              " bytes");
  check_input(out.entries <= out.size / kRecordSize, file, ": the zip directory is too small for its ",
              out.entries, " entries");
  return out;
}

// What a directory record says of its entry.
struct Record {
  ZipEntry entry;
  uint64_t header = 0;  // offset of the local header
};

// A size or offset of all ones stands for a 64-bit one; these lie in the extra field 1, in this order.
void apply_zip64(Record& record, uint64_t& unpacked, const std::byte* extra, size_t size,
                 const std::string& file) {
  uint64_t* const fields[] = {&unpacked, &record.entry.size, &record.header};
  while (size >= 4) {
    const size_t length = field<uint16_t>(extra + 2);
    check_input(length <= size - 4, file, ": a zip entry's extra field is damaged");
    if (field<uint16_t>(extra) == 1) {
      size_t at = 4;
      for (uint64_t* value : fields) {
        if (*value != 0xffffffff) continue;
        check_input(at + 8 <= 4 + length, file, ": a zip entry's extra field is too short");
        *value = field<uint64_t>(extra + at);
        at += 8;
      }
      return;
    }
    extra += 4 + length;
    size -= 4 + length;
  }
}

// Reads the record at the front of `bytes` and moves past it.
Record take_record(const std::byte*& bytes, const std::byte* end, const std::string& file) {
  const auto left = static_cast<uint64_t>(end - bytes);
  check_input(left >= kRecordSize && has_signature(bytes, 0x02014b50), file,
              ": the zip directory is damaged");
  const size_t name_size = field<uint16_t>(bytes + 28), extra_size = field<uint16_t>(bytes + 30);
  const uint64_t size = kRecordSize + name_size + extra_size + field<uint16_t>(bytes + 32);
  check_input(size <= left, file, ": the zip directory is damaged");
  Record record;
  record.entry.name.assign(reinterpret_cast<const char*>(bytes) + kRecordSize, name_size);
  record.entry.size = field<uint32_t>(bytes + 20);
  record.header = field<uint32_t>(bytes + 42);
  uint64_t unpacked = field<uint32_t>(bytes + 24);
  apply_zip64(record, unpacked, bytes + kRecordSize + name_size, extra_size, file);

  const std::string what = concat(file, ": the zip entry ", printable(record.entry.name));
  check_input((field<uint16_t>(bytes + 8) & 1) == 0, what, " is encrypted");
  record.entry.compressed = field<uint16_t>(bytes + 10) != 0;
  check_input(record.entry.compressed || unpacked == record.entry.size, what,
              " is stored, but has two sizes");
  bytes += size;
  return record;
}

// The local header says where the data begins. All of it must lie before the directory.
void locate(Record& record, const ByteSource& source, uint64_t directory) {
  const std::string what = concat(source.name(), ": the zip entry ", printable(record.entry.name));
  check_input(record.header <= directory && kLocalSize <= directory - record.header, what,
              " lies outside the file");
  std::byte local[kLocalSize];
  source.read(record.header, local, kLocalSize);
  const uint64_t name_size = field<uint16_t>(local + 26);
  check_input(has_signature(local, 0x04034b50) && name_size == record.entry.name.size(), what,
              " has a damaged header");
  record.entry.offset = record.header + kLocalSize + name_size + field<uint16_t>(local + 28);
  check_input(record.entry.offset <= directory && record.entry.size <= directory - record.entry.offset, what,
              " goes beyond the end of the file's data");
}

void check_apart(std::vector<Record> records, const std::string& file) {
  std::sort(records.begin(), records.end(),
            [](const Record& a, const Record& b) { return a.header < b.header; });
  for (size_t i = 1; i < records.size(); ++i) {
    const ZipEntry& before = records[i - 1].entry;
    check_input(before.offset + before.size <= records[i].header, file, ": the zip entries ",
                printable(before.name), " and ", printable(records[i].entry.name), " overlap");
  }
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(const ByteSource& source) {
  const Directory directory = find_directory(source);
  std::vector<std::byte> bytes(directory.size);
  source.read(directory.offset, bytes.data(), bytes.size());
  const std::byte* next = bytes.data();
  const std::byte* const end = next + bytes.size();
  std::vector<Record> records;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    records.push_back(take_record(next, end, source.name()));
    locate(records.back(), source, directory.offset);
  }
  check_input(next == end, source.name(), ": the zip directory has more entries than it says");
  check_apart(records, source.name());

  std::vector<ZipEntry> entries;
  for (Record& record : records) entries.push_back(std::move(record.entry));
  std::unordered_set<std::string_view> seen;
  for (const ZipEntry& entry : entries) {
    check_input(seen.insert(entry.name).second, source.name(), ": two zip entries are called ",
                printable(entry.name));
  }
  return entries;
}

}  // namespace saccade
