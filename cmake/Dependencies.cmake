# What the build takes from the system, all of it Debian 12 packages (scripts/packages is the list).
list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})
set(THREADS_PREFER_PTHREAD_FLAG ON)

find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(fmt 9 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(simdjson 3 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(Msgpuck REQUIRED)
find_package(ZLIB REQUIRED)
find_package(zstd 1.5 CONFIG REQUIRED)
find_package(Nettle REQUIRED)

# toml++ is shared code in Debian, described by pkg-config alone.
find_package(PkgConfig REQUIRED)
pkg_check_modules(tomlplusplus REQUIRED IMPORTED_TARGET GLOBAL tomlplusplus)
add_library(tomlplusplus::tomlplusplus ALIAS PkgConfig::tomlplusplus)

if(FOLKMOOT_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
