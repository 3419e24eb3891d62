// One message as filters see it: the bytes of its envelope and content, read only where a filter asks.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "base/bytes.hpp"
#include "filter/value.hpp"

namespace folkmoot {

struct Identifier;

/// Make one for a message and hand it to any number of filters: where the fields stand is found once, and the content
/// is parsed at most once. One that is kept and reset() for the next message keeps its memory as well.
/// thread    one at a time
class FilterInput {
 public:
  /// No message: every field is as if it were left out.
  FilterInput();
  /// An envelope and, right behind it, the content.
  explicit FilterInput(Bytes message);
  FilterInput(Bytes envelope, Bytes content);
  ~FilterInput();
  FilterInput(const FilterInput&) = delete;
  FilterInput& operator=(const FilterInput&) = delete;

  /// Goes on to another message. The bytes must live until the next reset(); they should have passed read_routing()
  /// (message/envelope.hpp): otherwise what cannot be read is taken as left out.
  void reset(Bytes message);
  void reset(Bytes envelope, Bytes content);

  /// Room for an id as text.
  using IdText = std::array<char, 36>;

  /// What `identifier` is worth. Text lives as long as the message's bytes and `id_text`, and until the next reset().
  Value read(const Identifier& identifier, IdText& id_text) const noexcept;

 private:
  struct Content;

  std::size_t find_fields(Bytes message);
  Bytes field(std::size_t number) const;
  Value read_field(const Identifier& identifier, IdText& id_text) const;
  Value read_metadata(const Identifier& identifier) const;
  Value read_content(const Identifier& identifier) const;

  static constexpr std::size_t kFieldsMax = 32;

  Bytes envelope_;
  Bytes content_;
  std::array<std::uint32_t, kFieldsMax> begins_{};  // where a field's value begins in the envelope; 0: it is left out
  mutable std::unique_ptr<Content> known_;          // what was found out of the content; made when first asked for
};

}  // namespace folkmoot
