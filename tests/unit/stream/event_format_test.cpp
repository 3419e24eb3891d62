// The bytes of files of events: names, headers, records.
#include "unit/stream/stream_fixture.hpp"

namespace folkmoot::test {
namespace {

TEST(EventFormatTest, U14_a_name_tells_stream_and_first_event_and_nothing_else_passes) {
  const EventFileName name{StreamNumber{12}, Sequence{345}};
  EXPECT_EQ(name.text(), "0000000012.00000000000000000345.events");
  EXPECT_EQ(EventFileName::parse(name.text()), name);
  for (const auto* const bad :
       {"", "0000000012.00000000000000000345.event", "0000000012.00000000000000000345.events.new",
        "000000012.000000000000000000345.events", "0000000000.00000000000000000345.events",
        "0000000012.00000000000000000000.events", "4294967296.00000000000000000001.events",
        "0000000012.99999999999999999999.events", "0000000012.09223372036854775808.events",
        "0000000012-00000000000000000345.events", "00000000+1.00000000000000000345.events", "next.events.new"}) {
    EXPECT_FALSE(EventFileName::parse(bad)) << bad;
  }
}

TEST(EventFormatTest, U14_every_flipped_bit_of_a_header_is_found) {
  const EventFileHeader header{StreamNumber{12}, Sequence{345}, kFileId};
  auto bytes = encode_header(header);
  const auto read = decode_event_file_header(bytes);
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(read->stream, header.stream);
  EXPECT_EQ(read->first, header.first);
  EXPECT_EQ(read->id, header.id);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_FALSE(decode_event_file_header(bytes)) << bit;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
  }
  EXPECT_EQ(decode_event_file_header(Bytes(bytes).first(63)).error().text, "the file ends within its header");
}

TEST(EventFormatTest, U14_a_record_passes_only_as_it_is_where_it_is) {
  const EventCodec codec({StreamNumber{12}, Sequence{345}, kFileId});
  auto bytes = laid_out(kStream, Sequence{5}, Sequence{6});
  codec.seal(bytes.data(), 640);
  EXPECT_EQ(codec.check(bytes, 640, 1000).state, EventCodec::State::good);
  const auto view = EventCodec::view(bytes.data(), 640);
  EXPECT_EQ(view.sequence, Sequence{5});
  EXPECT_EQ(view.at, event_at(Sequence{5}));
  EXPECT_EQ(as_text(view.message), event_text(kStream, Sequence{5}));

  EXPECT_EQ(codec.check(bytes, 648, 1000).state, EventCodec::State::bad) << "elsewhere";
  for (const EventFileHeader& other : {EventFileHeader{StreamNumber{13}, Sequence{345}, kFileId},
                                       EventFileHeader{StreamNumber{12}, Sequence{346}, kFileId},
                                       EventFileHeader{StreamNumber{12}, Sequence{345}, {9}}})
    EXPECT_EQ(EventCodec(other).check(bytes, 640, 1000).state, EventCodec::State::bad) << "another file's";
  EXPECT_EQ(codec.check(bytes, 640, bytes.size() - 8).state, EventCodec::State::bad) << "no room";
  const auto most = codec.check(Bytes(bytes).first(30), 640, 1000);
  EXPECT_EQ(most.state, EventCodec::State::more);
  EXPECT_EQ(most.bytes, bytes.size());
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_NE(codec.check(bytes, 640, bytes.size()).state, EventCodec::State::good) << bit;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
  }
}

TEST(EventFormatTest, U14_a_mark_speaks_of_what_stands_before_it) {
  const EventCodec codec({StreamNumber{12}, Sequence{345}, kFileId});
  const auto mark = codec.encode_mark(640, 64);
  ASSERT_TRUE(codec.find_mark(mark, 640));
  EXPECT_EQ(codec.find_mark(mark, 640)->synced, 64u);
  EXPECT_FALSE(codec.find_mark(mark, 648));
  EXPECT_FALSE(codec.find_mark(codec.encode_mark(640, 641), 640)) << "it claims what comes after it";
}

}  // namespace
}  // namespace folkmoot::test
