// The bytes of headers and records: what passes and what must not (feature X3).
#include "journal/format.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace folkmoot {
namespace {

const JournalId kId{9, 8, 7};
constexpr Lsn kLsn{3 * kSegmentBytesMin + 64};

std::vector<std::uint8_t> sealed(std::string_view text, Lsn lsn = kLsn, const JournalId& id = kId) {
  std::vector<std::uint8_t> record(record_bytes(text.size()), 0xee);
  std::memcpy(record.data() + kRecordHeaderBytes, text.data(), text.size());
  RecordCodec(id).seal(record.data(), lsn, 3, text.size());
  return record;
}

RecordCodec::State state_of(Bytes record, Lsn lsn = kLsn, std::size_t room = kSegmentBytesMin) {
  return RecordCodec(kId).check(record, lsn, room).state;
}

TEST(JournalFormat, X3_a_header_comes_back_as_it_was_written) {
  const auto bytes = encode_header({kId, 77, kSegmentBytesMin});
  const auto header = decode_header(bytes);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->id, kId);
  EXPECT_EQ(header->number, 77u);
  EXPECT_EQ(header->begin(), Lsn{77 * kSegmentBytesMin});
  EXPECT_EQ(header->end(), Lsn{78 * kSegmentBytesMin});
}

TEST(JournalFormat, X3_every_bit_flipped_in_a_header_is_found) {
  const auto good = encode_header({kId, 77, kSegmentBytesMin});
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bytes = good;
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    const auto header = decode_header(bytes);
    ASSERT_FALSE(header) << "bit " << bit;
    EXPECT_EQ(header.error().code, ErrorCode::damaged) << "bit " << bit;
  }
  EXPECT_FALSE(decode_header(Bytes(good).first(63)));
}

TEST(JournalFormat, X3_records_of_every_length_to_100_pass_and_no_flipped_bit_does) {
  for (std::size_t length = 0; length <= 100; ++length) {
    const auto record = sealed(std::string(length, 'x'));
    EXPECT_EQ(record.size() % kRecordAlign, 0u);
    ASSERT_EQ(state_of(record), RecordCodec::State::good) << length;
    EXPECT_EQ(view_record(record.data(), kLsn).body.size(), length);
    for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
      auto damaged = record;
      damaged[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      // A longer length may ask for more bytes than are in view: that is no good record either.
      EXPECT_NE(state_of(damaged), RecordCodec::State::good) << "length " << length << " bit " << bit;
    }
  }
}

TEST(JournalFormat, X3_a_record_passes_neither_at_another_place_nor_in_another_journal) {
  EXPECT_EQ(state_of(sealed("text")), RecordCodec::State::good);
  EXPECT_EQ(state_of(sealed("text"), kLsn + 8), RecordCodec::State::bad);
  EXPECT_EQ(state_of(sealed("text"), kLsn + kSegmentBytesMin), RecordCodec::State::bad);
  EXPECT_EQ(state_of(sealed("text", kLsn, JournalId{9, 8, 6})), RecordCodec::State::bad);
}

TEST(JournalFormat, X3_a_record_must_fit_into_what_is_left_of_the_segment) {
  const auto record = sealed("0123456789");  // 24 bytes
  EXPECT_EQ(state_of(record, kLsn, 24), RecordCodec::State::good);
  EXPECT_EQ(state_of(record, kLsn, 16), RecordCodec::State::bad);
  EXPECT_EQ(state_of(Bytes(record).first(23)), RecordCodec::State::more);
  EXPECT_EQ(state_of(Bytes(record).first(15)), RecordCodec::State::more);
}

TEST(JournalFormat, X3_zeros_are_the_end_and_no_record) {
  const std::vector<std::uint8_t> zeros(64);
  EXPECT_EQ(state_of(zeros), RecordCodec::State::zero);
  EXPECT_EQ(state_of(Bytes(zeros).first(8), kLsn, 8), RecordCodec::State::zero);
  EXPECT_EQ(state_of({}, kLsn, 0), RecordCodec::State::zero);
  const std::vector<std::uint8_t> rest{0, 0, 0, 0, 1, 0, 0, 0};
  EXPECT_EQ(state_of(rest, kLsn, 8), RecordCodec::State::bad);
}

TEST(JournalFormat, X3_marks_say_what_was_synced_and_a_fact_of_the_same_bytes_is_none) {
  std::vector<std::uint8_t> record(kMarkBytes);
  const RecordCodec codec(kId);
  codec.seal_mark(record.data(), kLsn, MarkKind::batch, {4711, 3});
  const auto mark = codec.find_mark(record, kLsn);
  ASSERT_TRUE(mark);
  EXPECT_EQ(mark->synced, Lsn{4711});
  EXPECT_EQ(mark->oldest, 3u);
  EXPECT_FALSE(codec.find_mark(record, kLsn + 8));
  codec.seal(record.data(), kLsn, 3, kMarkBodyBytes);
  EXPECT_FALSE(codec.find_mark(record, kLsn));
}

TEST(JournalFormat, X3_a_record_says_whether_the_next_one_belongs_to_its_group) {
  auto record = sealed("text");
  EXPECT_FALSE(view_record(record.data(), kLsn).linked);
  const RecordCodec codec(kId);
  codec.lay_out(record.data(), 3, 4);
  EXPECT_EQ(as_text(view_record(record.data(), kLsn).body), "text");  // it can be read before it is sealed
  codec.seal_laid_out(record.data(), kLsn, true);
  EXPECT_EQ(state_of(record), RecordCodec::State::good);
  EXPECT_TRUE(view_record(record.data(), kLsn).linked);
  codec.seal_laid_out(record.data(), kLsn, false);
  EXPECT_EQ(record, sealed("text"));
}

TEST(JournalFormat, X3_reserved_bytes_must_be_zero_whatever_the_checksum_says) {
  for (const std::size_t reserved : {10u, 11u}) {
    auto record = sealed("text");
    record[reserved] = 1;
    RecordCodec(kId).seal_laid_out(record.data(), kLsn, false);
    EXPECT_EQ(state_of(record), RecordCodec::State::bad);
  }
}

TEST(JournalFormat, X3_unknown_kinds_are_refused) {
  auto record = sealed("text");
  RecordCodec(kId).seal(record.data(), kLsn, 0, 4);
  EXPECT_EQ(state_of(record), RecordCodec::State::bad);
  RecordCodec(kId).seal(record.data(), kLsn, 243, 4);
  EXPECT_EQ(state_of(record), RecordCodec::State::bad);
  RecordCodec(kId).seal(record.data(), kLsn, 240, 4);  // a mark without a mark's body
  EXPECT_EQ(state_of(record), RecordCodec::State::bad);
}

TEST(JournalFormat, X3_segment_names_are_told_from_others) {
  EXPECT_EQ(segment_name(7), "0000000007.segment");
  EXPECT_EQ(segment_number("0000000007.segment"), 7u);
  EXPECT_EQ(segment_number("12345678901.segment"), 12345678901u);
  for (const auto* other : {"7.segment", "0000000007.segments", "000000000x.segment", "00000000007.segment", ".segment",
                            "lock", "next.segment.new", "0000000000.segment"}) {
    EXPECT_FALSE(segment_number(other)) << other;
  }
}

TEST(JournalFormat, X3_the_smallest_segment_takes_so_much_and_no_more) {
  static_assert(kMarkBytes == 40 && kSegmentHeaderBytes == 64 && kSegmentTailBytes == 160);
  EXPECT_EQ(body_bytes_max(65'536), 65'224u);
  EXPECT_EQ(group_bytes_max(65'536), 65'272u);
  EXPECT_EQ(body_bytes_max(kSegmentBytesMax), kFactBytesMax);
  EXPECT_EQ(group_bytes_max(kSegmentBytesMax), 2 * kFactBytesMax);
}

TEST(JournalFormat, X3_what_is_no_segment_at_all_is_told_apart) {
  auto bytes = encode_header({kId, 77, kSegmentBytesMin});
  bytes[0] ^= 1;
  const auto header = decode_header(bytes);
  ASSERT_FALSE(header);
  EXPECT_NE(header.error().text.find("does not begin like a journal segment"), std::string::npos);
}

TEST(JournalFormat, X3_the_last_number_that_a_segment_can_have_is_one_below_where_positions_end) {
  const auto most = segments_max(kSegmentBytesMin);
  EXPECT_TRUE(decode_header(encode_header({kId, most - 1, kSegmentBytesMin})));
  EXPECT_FALSE(decode_header(encode_header({kId, most, kSegmentBytesMin})));
  EXPECT_FALSE(decode_header(encode_header({kId, 0, kSegmentBytesMin})));
}

}  // namespace
}  // namespace folkmoot
