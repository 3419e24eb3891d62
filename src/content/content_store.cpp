#include "content/content_store.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"

namespace folkmoot {
namespace {

constexpr std::string_view kUploadPrefix = "upload-";
constexpr std::uint64_t kSyncEveryBytes = std::uint64_t{32}
                                          << 20;  // so that what is left to sync at the end holds nobody up for long

Result<std::uint64_t> size_of(Disk& disk, std::string_view name) {
  const auto file = disk.open(name, Disk::Open::read_only);
  if (!file) return std::unexpected(file.error());
  return (*file)->size();
}

Result<ContentHash> hash_of(DiskFile& file, std::vector<std::uint8_t>& buffer,
                            const std::function<void(std::uint64_t)>& on_read) {
  Sha256 sha;
  for (std::uint64_t at = 0;;) {
    const auto got = file.read(at, buffer);
    if (!got) return std::unexpected(got.error());
    sha.add(Bytes(buffer).first(*got));
    if (on_read) on_read(*got);
    if (*got < buffer.size()) return sha.finish();
    at += *got;
  }
}

}  // namespace

Result<std::unique_ptr<ContentStore>> ContentStore::open(Disk& disk,
                                                         const std::function<void(const ContentRef&)>& found) {
  const auto names = disk.list();
  if (!names) return std::unexpected(names.error());
  for (const auto& name : *names) {
    if (name.starts_with(kUploadPrefix)) {
      if (auto done = disk.remove(name); !done) return std::unexpected(done.error());
      continue;
    }
    const auto hash = ContentHash::parse(name);
    if (!hash || hash->text() != name) continue;
    const auto size = size_of(disk, name);
    if (!size) return std::unexpected(size.error());
    found({*hash, *size});
  }
  // A name that the last run had not synced yet is relied on from now on.
  if (auto done = disk.sync_folder(); !done) return std::unexpected(done.error());
  return std::unique_ptr<ContentStore>(new ContentStore(disk));
}

std::string ContentStore::upload_name(UploadId id) { return fmt::format("{}{}", kUploadPrefix, id); }

Result<void> ContentStore::begin(UploadId id, std::uint64_t size) {
  FOLKMOOT_ASSERT(size > 0 && !uploads_.contains(id));
  auto file = disk_.open(upload_name(id), Disk::Open::create_empty);
  if (!file) return std::unexpected(file.error());
  const auto upload = uploads_.emplace(id, Upload{.file = std::move(*file), .size = size}).first;
  if (auto done = upload->second.file->preallocate(size); !done) {
    remove_upload(upload);
    return done;
  }
  return {};
}

Result<ContentStore::Uploads::iterator> ContentStore::find(UploadId id) {
  const auto upload = uploads_.find(id);
  if (upload == uploads_.end()) return failure(ErrorCode::not_found, "the upload has ended before");
  return upload;
}

Result<void> ContentStore::write(UploadId id, Bytes bytes) {
  const auto found = find(id);
  if (!found) return std::unexpected(found.error());
  auto& upload = (*found)->second;
  Result<void> done;
  if (bytes.size() > upload.size - upload.written) {
    done = failure(ErrorCode::content_too_large, fmt::format("the upload was to be {} bytes and becomes {}",
                                                             upload.size, upload.written + bytes.size()));
  } else {
    done = upload.file->write(upload.written, {&bytes, 1});
    const bool is_due = upload.written / kSyncEveryBytes != (upload.written + bytes.size()) / kSyncEveryBytes;
    if (done && is_due) done = upload.file->sync();
  }
  if (!done) {
    remove_upload(*found);
    return done;
  }
  upload.sha.add(bytes);
  upload.written += bytes.size();
  return {};
}

Result<ContentStore::Finished> ContentStore::finish(UploadId id, const ContentHash& expected) {
  const auto found = find(id);
  if (!found) return std::unexpected(found.error());
  auto& upload = (*found)->second;
  const auto end = [&](Error error) {
    remove_upload(*found);
    return std::unexpected(std::move(error));
  };
  if (upload.written != upload.size) {
    return end({ErrorCode::invalid_field,
                fmt::format("the upload was to be {} bytes and ends at {}", upload.size, upload.written)});
  }
  const ContentRef ref{upload.sha.finish(), upload.size};
  if (ref.hash != expected) {
    return end({ErrorCode::invalid_field, fmt::format("the {} bytes that came have the SHA-256 {}, not {} as said",
                                                      ref.size, ref.hash.text(), expected.text())});
  }
  // What is there may be damaged: what has come is whole, and takes its place.
  const bool was_known = holds(ref);
  if (auto done = upload.file->sync(); !done) return end(done.error());
  const auto name = ref.hash.text();
  if (auto done = disk_.rename(upload_name(id), name); !done) return end(done.error());
  uploads_.erase(*found);
  last_file_.reset();
  if (auto done = disk_.sync_folder(); !done) {
    if (!was_known) (void)disk_.remove(name);
    return std::unexpected(done.error());
  }
  return Finished{ref, was_known};
}

bool ContentStore::holds(const ContentRef& ref) {
  const auto size = size_of(disk_, ref.hash.text());
  return size && *size == ref.size;
}

void ContentStore::drop(UploadId id) {
  if (const auto upload = uploads_.find(id); upload != uploads_.end()) remove_upload(upload);
}

// If it cannot be removed now, it is when the folder is opened next.
void ContentStore::remove_upload(Uploads::iterator upload) {
  const auto name = upload_name(upload->first);
  uploads_.erase(upload);
  (void)disk_.remove(name);
}

Result<std::size_t> ContentStore::read(const ContentHash& hash, std::uint64_t offset, std::span<std::uint8_t> into) {
  if (!last_file_ || last_read_ != hash) {
    last_file_.reset();
    auto file = disk_.open(hash.text(), Disk::Open::read_only);
    if (!file) return std::unexpected(file.error());
    last_file_ = std::move(*file);
    last_read_ = hash;
  }
  return last_file_->read(offset, into);
}

Result<void> ContentStore::remove(const ContentHash& hash) {
  if (last_read_ == hash) last_file_.reset();
  return disk_.remove(hash.text());
}

Result<ContentReport> verify_contents(Disk& disk, const std::function<void(std::uint64_t)>& on_read) {
  const auto names = disk.list();
  if (!names) return std::unexpected(names.error());
  ContentReport report;
  std::vector<std::uint8_t> buffer(std::size_t{1} << 20);
  for (const auto& name : *names) {
    const auto hash = ContentHash::parse(name);
    if (!hash || hash->text() != name) continue;
    ++report.contents;
    const auto file = disk.open(name, Disk::Open::read_only);
    if (!file) {
      report.damaged.push_back(file.error().text);
      continue;
    }
    const auto size = (*file)->size();
    const auto is = hash_of(**file, buffer, on_read);
    if (!size || !is) {
      report.damaged.push_back(!size ? size.error().text : is.error().text);
    } else if (*is != *hash) {
      report.damaged.push_back(fmt::format("content {}: its {} bytes have the SHA-256 {}", name, *size, is->text()));
    } else {
      report.bytes += *size;
      report.sizes.emplace(*hash, *size);
    }
  }
  return report;
}

}  // namespace folkmoot
