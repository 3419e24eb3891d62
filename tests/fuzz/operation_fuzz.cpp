// Arguments of operations and maps of frames, from whoever sends them. What is taken is written, and read again as the
// same.
#include <cstdio>
#include <cstdlib>

#include "operation/answers.hpp"
#include "operation/fields.hpp"
#include "operation/frames.hpp"
#include "operation/json_reading.hpp"
#include "operation/operations.hpp"
#include "operation/pack_codec.hpp"

using namespace folkmoot;

namespace {

void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "operation_fuzz: %s\n", what);
  std::abort();
}

bool same(const StructInfo& info, const void* a, const void* b) {
  const auto left = places(info, a), right = places(info, b);
  for (std::size_t i = 0; i < left.size(); ++i) {
    // Numbers that are none are not equal to themselves.
    if (left[i].type().kind != Kind::real && !equal(left[i].type(), left[i].at, right[i].at)) return false;
  }
  return true;
}

void as_json(const StructInfo& info, std::string_view text) {
  const auto first = info.make(), again = info.make();
  if (const auto read = read_json(info, first.get(), text); !read) {
    JsonDocument document;
    const auto value = document.parse(text.empty() ? "{}" : text);
    JsonFault fault;
    if (value) check(!read_json(info, again.get(), *value, fault), "who asks where it is wrong reads otherwise");
    check(fault.pointer.empty() || fault.pointer.front() == '/', "a pointer leads nowhere");
    return;
  }
  std::string written;
  JsonWriter writer(written);
  write_json(writer, info, first.get(), Sparse::everything);
  check(read_json(info, again.get(), written).has_value(), "what was written as JSON is not taken");
}

void as_map(const StructInfo& info, Bytes body) {
  const auto first = info.make(), again = info.make();
  if (!read_pack(info, first.get(), body, "FUZZ")) return;
  std::string written;
  check(write_pack(written, info, first.get()).has_value(), "what was read is not written");
  check(read_pack(info, again.get(), as_bytes(written), "FUZZ").has_value(), "what was written as a map is not taken");
  check(same(info, first.get(), again.get()), "a map is not read as it was written");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto& operation = operations()[data[0] % operations().size()];
  const auto& frame = frames()[data[0] % frames().size()];
  const Bytes rest(data + 2, size - 2);
  switch (data[1] % 4) {
    case 0:
      as_json(*operation.arguments, as_text(rest));
      break;
    case 1:
      as_map(*frame.fields, rest);
      break;
    case 2: {
      const auto arguments = operation.arguments->make();
      const auto all = places(*operation.arguments, arguments.get());
      if (!all.empty())
        (void)read_written(*all[data[1] / 4 % all.size()].field, all[data[1] / 4 % all.size()].at, as_text(rest));
      break;
    }
    default: {
      const auto answer = operation.answer->make();
      if (operation.layout != Layout::confirm) (void)read_answer(operation, rest, answer.get());
      break;
    }
  }
  return 0;
}
