#include "kernels/common/bandwidth.h"

#include <algorithm>

#include "tests/kernels/backends.h"

using namespace saccade;

TEST_CASE("the streams that bandwidth is measured with move what they say") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    if constexpr (D != Device::cpu) {
      INFO(backend);
      for (const int64_t words : {0, 4, 1028, 4096, 8200}) {
        std::vector<uint32_t> values(static_cast<size_t>(words));
        PhiloxStream random(3);
        for (uint32_t& v : values) v = random.below(1u << 31);
        DeviceArray<uint32_t> from(context, values), to(context, values.size());
        DeviceArray<uint32_t> seen(context, static_cast<size_t>(Bandwidth<D>::kSeen));
        Bandwidth<D>::copy(context, 4 * words, from.data(), to.data());
        CHECK(to.host() == values);
        Bandwidth<D>::write(context, 4 * words, to.data());
        CHECK(to.host() == std::vector<uint32_t>(values.size(), 0));
        Bandwidth<D>::read(context, 4 * words, from.data(), seen.data());
        uint32_t expected = 0, got = 0;
        for (const uint32_t v : values) expected ^= v;
        for (const uint32_t v : seen.host()) got ^= v;
        CHECK(got == expected);
      }
    }
  });
}
