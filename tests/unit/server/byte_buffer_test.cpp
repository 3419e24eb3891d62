// Bytes on their way out (server/byte_buffer.hpp).
#include "server/byte_buffer.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <string>

namespace folkmoot {
namespace {

std::string text(const ByteBuffer& buffer) { return std::string(as_text(buffer.bytes())); }

TEST(ByteBuffer, what_is_appended_comes_out_in_front) {
  BufferPool pool;
  ByteBuffer buffer;
  EXPECT_TRUE(buffer.empty());
  buffer.append(pool, as_bytes("abc"));
  buffer.append(pool, {});
  std::memcpy(buffer.extend(pool, 3), "def", 3);
  EXPECT_EQ(text(buffer), "abcdef");
  buffer.consume(pool, 4);
  EXPECT_EQ(text(buffer), "ef");
  buffer.append(pool, as_bytes("g"));
  buffer.consume(pool, 3);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.size(), 0u);
}

TEST(ByteBuffer, one_that_is_empty_holds_no_memory_and_the_pool_has_it) {
  BufferPool pool;
  EXPECT_TRUE(pool.empty());
  ByteBuffer one, other;
  one.append(pool, as_bytes("abc"));
  const auto* const memory = one.data();
  one.consume(pool, 3);
  EXPECT_FALSE(pool.empty());
  other.append(pool, as_bytes("def"));
  EXPECT_EQ(other.data(), memory) << "it is used again";
  EXPECT_TRUE(pool.empty());
  other.clear(pool);
  pool.trim();
  EXPECT_TRUE(pool.empty());
}

TEST(ByteBuffer, the_pool_keeps_so_much_and_no_more) {
  BufferPool pool;
  constexpr std::size_t kMib = 1 << 20;
  for (int i = 0; i < 20; ++i) pool.give({BufferPool::allocate(kMib), kMib});
  std::size_t kept = 0;
  while (!pool.empty()) {
    const auto block = pool.take();
    kept += block.capacity;
    std::free(block.data);
  }
  EXPECT_EQ(kept, 16 * kMib);
  pool.give({});
  EXPECT_TRUE(pool.empty());
}

TEST(ByteBuffer, is_a_queue_of_bytes_whatever_is_appended_and_consumed) {
  std::mt19937 chance(3);
  BufferPool pool;
  ByteBuffer buffer;
  std::deque<char> model;
  char next = 0;
  for (int step = 0; step < 3'000; ++step) {
    if (chance() % 2 != 0) {
      std::string bytes(chance() % (chance() % 20 == 0 ? 100'000 : 3'000), '\0');
      for (auto& byte : bytes) byte = next++;
      model.insert(model.end(), bytes.begin(), bytes.end());
      buffer.append(pool, as_bytes(bytes));
    } else if (!model.empty()) {
      const auto most = chance() % 5 == 0 ? model.size() : std::min<std::size_t>(model.size(), 5'000);
      const auto bytes = 1 + chance() % most;
      model.erase(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(bytes));
      buffer.consume(pool, bytes);
    }
    ASSERT_EQ(buffer.size(), model.size());
    ASSERT_TRUE(std::equal(model.begin(), model.end(), text(buffer).begin())) << step;
  }
}

}  // namespace
}  // namespace folkmoot
