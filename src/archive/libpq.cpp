#include "archive/libpq.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

namespace folkmoot {
namespace {

constexpr const char* kLibPqFile = "libpq.so.5";

Result<LibPq> open_libpq() {
  void* const library = ::dlopen(kLibPqFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const auto* const why = ::dlerror();
    return failure(ErrorCode::io_error,
                   fmt::format("a history in PostgreSQL needs {}: {}", kLibPqFile, why != nullptr ? why : "?"),
                   "install it (Debian: package libpq5)");
  }
  LibPq pq;
  const char* missing = nullptr;
#define FUNCTION(name)                                                    \
  pq.name = reinterpret_cast<decltype(pq.name)>(::dlsym(library, #name)); \
  if (pq.name == nullptr) missing = #name;
  FOLKMOOT_LIBPQ_FUNCTIONS(FUNCTION)
#undef FUNCTION
  if (missing != nullptr) {
    return failure(ErrorCode::io_error, fmt::format("{} has no {}: it is too old", kLibPqFile, missing),
                   "install that of PostgreSQL 15 or newer");
  }
  return pq;
}

}  // namespace

Result<const LibPq*> LibPq::load() {
  static const auto loaded = open_libpq();
  if (!loaded) return std::unexpected(loaded.error());
  return &*loaded;
}

}  // namespace folkmoot
