#include "webhook/curl.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

namespace folkmoot {
namespace {

constexpr const char* kLibrary = "libcurl.so.4";

Result<Curl> open() {
  void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const auto* const why = ::dlerror();
    return failure(ErrorCode::io_error,
                   fmt::format("webhooks and traces need {}: {}", kLibrary, why != nullptr ? why : "?"),
                   "install it (Debian: package libcurl4)");
  }
  Curl curl;
  const char* missing = nullptr;
#define FUNCTION(name)                                                        \
  curl.name = reinterpret_cast<decltype(curl.name)>(::dlsym(library, #name)); \
  if (curl.name == nullptr) missing = #name;
  FOLKMOOT_CURL_FUNCTIONS(FUNCTION)
#undef FUNCTION
  if (missing != nullptr)
    return failure(ErrorCode::io_error,
                   fmt::format("{} has no {}: it is too old for webhooks and traces", kLibrary, missing));
  if (curl.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return failure(ErrorCode::io_error, fmt::format("{} cannot be used", kLibrary));
  return curl;
}

}  // namespace

Result<const Curl*> Curl::load() {
  static const auto loaded = open();
  if (!loaded) return std::unexpected(loaded.error());
  return &*loaded;
}

}  // namespace folkmoot
