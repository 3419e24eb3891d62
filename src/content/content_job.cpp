#include "content/content_job.hpp"

#include <fmt/format.h>

#include "base/base64.hpp"

namespace folkmoot {

ContentDone carry_out(ContentStore& store, ContentJob job) {
  ContentDone done{.job = std::move(job)};
  auto& with = done.job;
  switch (with.kind) {
    case ContentJob::Kind::begin:
      done.result = store.begin(with.upload, with.size);
      break;
    case ContentJob::Kind::write:
      done.result = store.write(with.upload, as_bytes(with.bytes));
      with.bytes = std::string();
      break;
    case ContentJob::Kind::finish: {
      const auto finished = store.finish(with.upload, with.hash);
      if (finished) {
        done.was_known = finished->was_known;
        with.size = finished->ref.size;
      } else {
        done.result = std::unexpected(finished.error());
      }
      break;
    }
    case ContentJob::Kind::drop:
      store.drop(with.upload);
      break;
    case ContentJob::Kind::read: {
      with.bytes.resize(with.size);
      const auto got =
          store.read(with.hash, with.offset, {reinterpret_cast<std::uint8_t*>(with.bytes.data()), with.bytes.size()});
      if (!got) {
        done.result = std::unexpected(got.error());
      } else if (*got < with.size) {
        done.result = failure(ErrorCode::damaged,
                              fmt::format("content {} breaks off at byte {}", with.hash.text(), with.offset + *got));
      }
      break;
    }
    case ContentJob::Kind::piece: {
      std::string bytes(with.size, '\0');
      const auto got = with.file->read(with.offset, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
      if (!got) {
        done.result = std::unexpected(got.error());
      } else if (*got < with.size) {
        done.result = failure(ErrorCode::damaged,
                              fmt::format("a file of the data folder breaks off at byte {}", with.offset + *got));
      } else {
        with.bytes = encode_base64(bytes);
      }
      with.file.reset();
      break;
    }
    case ContentJob::Kind::remove:
      done.result = store.remove(with.hash);
      break;
  }
  return done;
}

}  // namespace folkmoot
