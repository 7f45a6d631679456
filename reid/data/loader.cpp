#include "reid/data/loader.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

#include "kernels/common/error.h"
#include "kernels/common/philox.h"
#include "reid/data/image.h"

namespace saccade {
namespace {

std::vector<std::string> paths_of(const std::vector<ImageRecord>& records) {
  std::vector<std::string> paths;
  paths.reserve(records.size());
  for (const ImageRecord& record : records) paths.push_back(record.path);
  return paths;
}

float jitter_factor(float strength, PhiloxStream& random) {
  return strength > 0 ? random.uniform(std::max(0.0f, 1 - strength), 1 + strength) : 1.0f;
}

void draw_erased_box(const AugmentConfig& config, int64_t height, int64_t width, PhiloxStream& random,
                     Augmentation* a) {
  const float area = static_cast<float>(height * width);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const float target = random.uniform(config.erase_area_min, config.erase_area_max) * area;
    const float aspect = random.uniform(config.erase_aspect, 1 / config.erase_aspect);
    const int64_t box_height = std::lround(std::sqrt(target * aspect));
    const int64_t box_width = std::lround(std::sqrt(target / aspect));
    if (box_height < 1 || box_width < 1 || box_height >= height || box_width >= width) continue;
    a->erase_height = static_cast<int32_t>(box_height);
    a->erase_width = static_cast<int32_t>(box_width);
    a->erase_y = static_cast<int32_t>(random.below(static_cast<uint32_t>(height - box_height + 1)));
    a->erase_x = static_cast<int32_t>(random.below(static_cast<uint32_t>(width - box_width + 1)));
    std::copy(config.erase_fill, config.erase_fill + 3, a->fill);
    return;
  }
}

}  // namespace

AugmentConfig AugmentConfig::strong_baseline() {
  AugmentConfig config;
  config.flip = 0.5f;
  config.pad = 10;
  config.erase = 0.5f;
  return config;
}

Augmentation draw_augmentation(const AugmentConfig& config, int64_t height, int64_t width, uint64_t seed,
                               int64_t epoch, int64_t position) {
  PhiloxStream random(seed, data_stream(DataStream::augmentation, epoch, position));
  Augmentation a;
  a.flip = random.uniform() < config.flip;
  if (config.pad > 0) {
    const uint32_t places = 2 * static_cast<uint32_t>(config.pad) + 1;
    a.shift_y = static_cast<int32_t>(random.below(places)) - config.pad;
    a.shift_x = static_cast<int32_t>(random.below(places)) - config.pad;
  }
  a.brightness = jitter_factor(config.brightness, random);
  a.contrast = jitter_factor(config.contrast, random);
  a.saturation = jitter_factor(config.saturation, random);
  if (random.uniform() < config.erase) draw_erased_box(config, height, width, random, &a);
  return a;
}

ImageCache::ImageCache(std::vector<std::string> paths, int height, int width, int64_t max_bytes)
    : paths_(std::move(paths)), height_(height), width_(width), picture_bytes_(int64_t{height} * width * 3) {
  check(height > 0 && width > 0, "picture size ", height, " x ", width, " is empty");
  kept_ = std::min(static_cast<int64_t>(paths_.size()), std::max<int64_t>(max_bytes, 0) / picture_bytes_);
  // Not cleared: a page is first touched when its picture is decoded.
  pixels_.reset(new (std::nothrow) uint8_t[static_cast<size_t>(kept_ * picture_bytes_)]);
  check(pixels_ != nullptr, "no memory for ", kept_ * picture_bytes_, " bytes of pictures");
  gray_means_ = std::make_unique<float[]>(static_cast<size_t>(kept_));
  ready_ = std::make_unique<std::atomic<bool>[]>(static_cast<size_t>(kept_));
}

float ImageCache::decode(int64_t index, uint8_t* to) const {
  resize(read_image(paths_[static_cast<size_t>(index)]), height_, width_, to);
  // Whole numbers: the mean does not depend on the order of the sum.
  int64_t sum = 0;
  for (int64_t i = 0; i < picture_bytes_; i += 3) sum += 299 * to[i] + 587 * to[i + 1] + 114 * to[i + 2];
  return static_cast<float>(static_cast<double>(sum) / (1000.0 * static_cast<double>(height_) * width_));
}

ImageCache::Picture ImageCache::get(int64_t index, std::vector<uint8_t>& scratch) {
  if (index >= kept_) {
    scratch.resize(static_cast<size_t>(picture_bytes_));
    const float gray_mean = decode(index, scratch.data());
    return {scratch.data(), gray_mean};
  }
  uint8_t* pixels = pixels_.get() + index * picture_bytes_;
  if (!ready_[index].load(std::memory_order_acquire)) {
    const std::lock_guard<std::mutex> lock(locks_[index % kLocks]);
    if (!ready_[index].load(std::memory_order_relaxed)) {
      gray_means_[index] = decode(index, pixels);
      ready_[index].store(true, std::memory_order_release);
    }
  }
  return {pixels, gray_means_[index]};
}

namespace {
// visit(0), ..., visit(count - 1) by `threads` threads; then the error of the lowest index is thrown.
template <class Visit>
void visit_all(int64_t count, int threads, const Visit& visit) {
  const int64_t ranks = std::max(1, threads);
  std::vector<std::exception_ptr> errors(static_cast<size_t>(ranks));
  std::vector<int64_t> failed(static_cast<size_t>(ranks), count);
  const auto work = [&](int64_t rank) {
    for (int64_t i = rank; i < count; i += ranks) {
      try {
        visit(i);
      } catch (...) {
        errors[static_cast<size_t>(rank)] = std::current_exception();
        failed[static_cast<size_t>(rank)] = i;
        return;
      }
    }
  };
  std::vector<std::thread> others;
  for (int64_t rank = 1; rank < ranks; ++rank) others.emplace_back(work, rank);
  work(0);
  for (std::thread& other : others) other.join();
  const auto first = std::min_element(failed.begin(), failed.end());
  if (*first < count) std::rethrow_exception(errors[static_cast<size_t>(first - failed.begin())]);
}
}  // namespace

void ImageCache::preload(int threads) {
  visit_all(kept_, threads, [&](int64_t i) {
    std::vector<uint8_t> unused;  // the picture is kept
    get(i, unused);
  });
}

void check_pictures(const std::vector<ImageRecord>& records, int threads) {
  visit_all(static_cast<int64_t>(records.size()), threads,
            [&](int64_t i) { read_image(records[static_cast<size_t>(i)].path); });
}

Loader::Loader(std::vector<ImageRecord> records, std::vector<int64_t> labels, const LoaderConfig& config)
    : config_(config),
      records_(std::move(records)),
      labels_(std::move(labels)),
      cache_(paths_of(records_), config.height, config.width, config.cache_bytes) {
  check(labels_.size() == records_.size(), "loader: ", labels_.size(), " labels for ", records_.size(),
        " pictures");
  check(config.workers >= 0 && config.prefetch >= 1, "loader: ", config.workers, " workers, ",
        config.prefetch, " batches ahead");
}

Loader::~Loader() {
  stop();
}

void Loader::start(int64_t epoch, Batches batches, int64_t first) {
  stop();
  positions_.clear();
  int64_t position = 0;
  for (const auto& batch : batches) {
    positions_.push_back(position);
    position += static_cast<int64_t>(batch.size());
    for (const int64_t index : batch)
      check(index >= 0 && index < static_cast<int64_t>(records_.size()), "loader: no picture ", index);
  }
  check(first >= 0 && first <= static_cast<int64_t>(batches.size()), "loader: no batch ", first);
  epoch_ = epoch;
  batches_ = std::move(batches);
  taken_ = given_ = first;
  stopping_ = false;
  slots_.resize(static_cast<size_t>(std::max(config_.workers, config_.prefetch)));
  for (Slot& slot : slots_) {
    slot.ready = false;
    slot.error = nullptr;
  }
  const int64_t work_left = static_cast<int64_t>(batches_.size()) - first;
  for (int64_t i = 0; i < std::min<int64_t>(config_.workers, work_left); ++i)
    threads_.emplace_back([this] { work(); });
}

void Loader::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  slot_free_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  given_ = static_cast<int64_t>(batches_.size());
}

void Loader::make(int64_t index, Batch& batch, std::vector<uint8_t>& scratch, Context& context) {
  const std::vector<int64_t>& members = batches_[static_cast<size_t>(index)];
  const int64_t pixels = int64_t{config_.height} * config_.width * 3;
  batch.count = static_cast<int64_t>(members.size());
  batch.height = config_.height;
  batch.width = config_.width;
  batch.epoch = epoch_;
  batch.index = index;
  batch.indices = members;
  batch.labels.resize(members.size());
  batch.camids.resize(members.size());
  batch.images.resize(config_.pixels ? static_cast<size_t>(batch.count * pixels) : 0);
  batch.table.resize(config_.pixels ? 0 : members.size());
  for (int64_t i = 0; i < batch.count; ++i) {
    const size_t record = static_cast<size_t>(members[static_cast<size_t>(i)]);
    batch.labels[static_cast<size_t>(i)] = labels_[record];
    batch.camids[static_cast<size_t>(i)] = records_[record].camid;
    const ImageCache::Picture picture = cache_.get(static_cast<int64_t>(record), scratch);
    Augmentation a = draw_augmentation(config_.augment, config_.height, config_.width, config_.seed, epoch_,
                                       positions_[static_cast<size_t>(index)] + i);
    a.gray_mean = picture.gray_mean;
    a.image = static_cast<int64_t>(record);
    if (!config_.pixels) {
      batch.table[static_cast<size_t>(i)] = a;
      continue;
    }
    a.image = 0;
    Augment<Device::cpu>::forward(context, 1, config_.height, config_.width, picture.pixels, &a,
                                  config_.normalization, batch.images.data() + i * pixels);
  }
}

void Loader::work() {
  Context context(Device::cpu, 0, /*threads=*/1);
  std::vector<uint8_t> scratch;
  std::unique_lock<std::mutex> lock(mutex_);
  const int64_t end = static_cast<int64_t>(batches_.size()), slots = static_cast<int64_t>(slots_.size());
  while (true) {
    slot_free_.wait(lock, [&] { return stopping_ || taken_ == end || taken_ < given_ + slots; });
    if (stopping_ || taken_ == end) return;
    const int64_t index = taken_++;
    Slot& slot = slots_[static_cast<size_t>(index % slots)];
    lock.unlock();
    std::exception_ptr error;
    try {
      make(index, slot.batch, scratch, context);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    slot.error = error;
    slot.ready = true;
    slot_ready_.notify_one();
  }
}

bool Loader::next(Batch& batch) {
  if (given_ == static_cast<int64_t>(batches_.size())) return false;
  if (config_.workers == 0) {
    Context context(Device::cpu, 0, /*threads=*/1);
    std::vector<uint8_t> scratch;
    const int64_t index = given_++;
    try {
      make(index, batch, scratch, context);
    } catch (...) {
      stop();
      throw;
    }
    return true;
  }
  std::unique_lock<std::mutex> lock(mutex_);
  Slot& slot = slots_[static_cast<size_t>(given_ % static_cast<int64_t>(slots_.size()))];
  slot_ready_.wait(lock, [&] { return slot.ready; });
  slot.ready = false;
  if (slot.error) {
    const std::exception_ptr error = std::exchange(slot.error, nullptr);
    lock.unlock();
    stop();
    std::rethrow_exception(error);
  }
  std::swap(batch, slot.batch);
  ++given_;
  lock.unlock();
  slot_free_.notify_one();
  return true;
}

}  // namespace saccade
