# Precompiled headers: what a file of ours costs to compile is mostly other people's headers, so those are read once
# for all files that include them. Never a header of ours in here: an edit of one must not compile all again.
#
# A set is compiled once, by a target of its own, and used by every module of the same definitions. Nobody may rely on what
# it brings: check_lone_headers and check_tidy compile without. -DFOLKMOOT_PRECOMPILE=OFF builds without.
option(FOLKMOOT_PRECOMPILE "Precompile the headers of libraries (GNU compilers)" ON)

# folkmoot_precompiled(<set> HEADERS <header>... DEPENDS <target>... [OPTIONS <compiler option>...])
# DEPENDS: those whose definitions are in force where the set is used. OPTIONS: likewise (the compiler refuses a set
# that was compiled with another macro, such as that of -O0).
function(folkmoot_precompiled set)
  cmake_parse_arguments(PARSE_ARGV 1 set "" "" "HEADERS;DEPENDS;OPTIONS")
  folkmoot_refuse_unknown(folkmoot_precompiled "${set_UNPARSED_ARGUMENTS}")
  set(empty ${PROJECT_BINARY_DIR}/precompiled/${set}.cpp)
  file(CONFIGURE OUTPUT ${empty} CONTENT "// Nothing: its target precompiles headers (cmake/Precompiled.cmake).\n")
  add_library(folkmoot_precompiled_${set} OBJECT EXCLUDE_FROM_ALL ${empty})
  target_link_libraries(folkmoot_precompiled_${set} PRIVATE ${set_DEPENDS})
  target_compile_options(folkmoot_precompiled_${set} PRIVATE ${set_OPTIONS})
  list(TRANSFORM set_HEADERS REPLACE "(.+)" "<\\1>")
  target_precompile_headers(folkmoot_precompiled_${set} PRIVATE ${set_HEADERS})
endfunction()

# folkmoot_use_precompiled(<target> <set>)
function(folkmoot_use_precompiled target set)
  if(FOLKMOOT_PRECOMPILE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_precompile_headers(${target} REUSE_FROM folkmoot_precompiled_${set})
    # By this option ccache can keep what was compiled with a precompiled header.
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  endif()
endfunction()

set(standard_headers algorithm array atomic bit charconv chrono cmath compare cstddef cstdint cstring deque filesystem
    functional limits map memory mutex optional set span string string_view tuple unordered_map utility variant vector)
set(message_headers ${standard_headers} fmt/format.h boost/json.hpp boost/unordered/unordered_flat_map.hpp
    simdjson.h)
set(message_libraries fmt::fmt Boost::json simdjson::simdjson)
set(asio_headers
    boost/asio/any_io_executor.hpp boost/asio/as_tuple.hpp boost/asio/awaitable.hpp boost/asio/bind_cancellation_slot.hpp
    boost/asio/cancellation_signal.hpp boost/asio/co_spawn.hpp boost/asio/detached.hpp boost/asio/executor_work_guard.hpp
    boost/asio/generic/stream_protocol.hpp boost/asio/io_context.hpp boost/asio/ip/tcp.hpp
    boost/asio/local/stream_protocol.hpp boost/asio/post.hpp boost/asio/prefer.hpp boost/asio/steady_timer.hpp
    boost/asio/strand.hpp boost/asio/this_coro.hpp boost/asio/use_awaitable.hpp boost/asio/use_future.hpp
    boost/asio/write.hpp)

# For the modules from the message up to the server.
folkmoot_precompiled(message HEADERS ${message_headers} DEPENDS ${message_libraries})
# For those who wait in coroutines: the client and the program's subcommands, and the gateway.
folkmoot_precompiled(asio HEADERS ${message_headers} ${asio_headers}
                     DEPENDS ${message_libraries} folkmoot_asio)
folkmoot_precompiled(beast HEADERS ${message_headers} ${asio_headers} boost/beast/core.hpp boost/beast/http.hpp
                     boost/beast/websocket.hpp
                     DEPENDS ${message_libraries} folkmoot_beast)
# For programs of GoogleTest, which are compiled as programs are.
if(FOLKMOOT_TESTS)
  set(FOLKMOOT_TEST_LIBRARIES ${message_libraries} folkmoot_asio GTest::gtest)
  folkmoot_precompiled(test HEADERS ${message_headers} ${asio_headers} gtest/gtest.h
                       DEPENDS ${FOLKMOOT_TEST_LIBRARIES} OPTIONS -fPIE ${FOLKMOOT_TEST_OPTIONS})
endif()
