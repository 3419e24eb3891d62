// libcurl, loaded when it is first needed. It brings thirty libraries along, which every command of the program would
// load, and every server that posts no webhook keep in its memory. What is called of it is in one list.
#pragma once

#include <curl/curl.h>

#include "base/error.hpp"

namespace folkmoot {

#define FOLKMOOT_CURL_FUNCTIONS(FUNCTION) \
  FUNCTION(curl_global_init)              \
  FUNCTION(curl_easy_init)                \
  FUNCTION(curl_easy_cleanup)             \
  FUNCTION(curl_easy_setopt)              \
  FUNCTION(curl_easy_getinfo)             \
  FUNCTION(curl_easy_strerror)            \
  FUNCTION(curl_slist_append)             \
  FUNCTION(curl_slist_free_all)           \
  FUNCTION(curl_multi_init)               \
  FUNCTION(curl_multi_cleanup)            \
  FUNCTION(curl_multi_add_handle)         \
  FUNCTION(curl_multi_remove_handle)      \
  FUNCTION(curl_multi_perform)            \
  FUNCTION(curl_multi_info_read)          \
  FUNCTION(curl_multi_poll)               \
  FUNCTION(curl_multi_setopt)

struct Curl {
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt
#define FUNCTION(name) decltype(&::name) name = nullptr;
  FOLKMOOT_CURL_FUNCTIONS(FUNCTION)
#undef FUNCTION

  /// One for the program; it stays. Errors: io_error, naming the library or what it lacks.
  static Result<const Curl*> load();
};

}  // namespace folkmoot
