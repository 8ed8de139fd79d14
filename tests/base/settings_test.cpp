#include "tarn/base/settings.h"

#include <gtest/gtest.h>

#include <map>

namespace tarn {
namespace {

Settings parse(std::map<std::string, std::string> environment) {
  return parse_settings([&](const char* name) {
    const auto at = environment.find(name);
    return at == environment.end() ? nullptr : at->second.c_str();
  });
}

TEST(Settings, defaults) {
  const Settings s = parse({});
  EXPECT_EQ(s.isa, Settings::Isa::best);
  EXPECT_EQ(s.num_threads, 0);
  EXPECT_FALSE(s.memory_limit || s.cache_limit);
  EXPECT_FALSE(s.origin_tracking);
  EXPECT_TRUE(s.problems.empty());
}

TEST(Settings, values) {
  const Settings s = parse({{"TARN_ISA", "avx2"},
                            {"TARN_NUM_THREADS", "3"},
                            {"TARN_MEMORY_LIMIT", "600M"},
                            {"TARN_CACHE_LIMIT", "0"},
                            {"TARN_EXIT_TIMEOUT_MS", "250"},
                            {"TARN_ORIGIN_TRACKING", "on"}});
  EXPECT_EQ(s.isa, Settings::Isa::avx2);
  EXPECT_EQ(s.num_threads, 3);
  EXPECT_EQ(s.memory_limit, int64_t{600} << 20);
  EXPECT_EQ(s.cache_limit, 0);
  EXPECT_EQ(s.exit_timeout_ms, 250);
  EXPECT_TRUE(s.origin_tracking);
  EXPECT_TRUE(s.problems.empty());
}

TEST(Settings, a_bad_value_is_reported_and_keeps_the_default) {
  for (const char* bad : {"", "0", "-1", "two", "3x", "99999999999999999999"}) {
    const Settings s = parse({{"TARN_NUM_THREADS", bad}});
    EXPECT_EQ(s.num_threads, 0);
    ASSERT_EQ(s.problems.size(), 1u) << bad;
    EXPECT_EQ(s.problems[0], "TARN_NUM_THREADS='" + std::string(bad) +
                                 "' is not understood and ignored; it takes a number of threads, "
                                 "at least 1.");
  }
  for (const char* bad : {"M", "12Q", "-5", "9000000T", "1.5G"}) {
    EXPECT_EQ(parse({{"TARN_MEMORY_LIMIT", bad}}).problems.size(), 1u) << bad;
  }
  EXPECT_EQ(parse({{"TARN_ISA", "AVX2"}, {"TARN_ORIGIN_TRACKING", "yes"}}).problems.size(), 2u);
}

TEST(Settings, every_variable_is_documented) {
  for (const SettingInfo& info : setting_infos()) {
    EXPECT_TRUE(std::string_view(info.variable).starts_with("TARN_"));
    EXPECT_FALSE(std::string_view(info.values).empty());
    EXPECT_TRUE(std::string_view(info.doc).ends_with('.'));
    EXPECT_EQ(parse({{info.variable, "?"}}).problems.size(), 1u);
  }
}

}  // namespace
}  // namespace tarn
