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
find_package(SQLite3 3.40 REQUIRED)
find_library(HIREDIS_LIBRARY hiredis REQUIRED)
find_path(PostgreSQL_INCLUDE_DIRS postgresql/libpq-fe.h REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)

# toml++ is shared code in Debian, described by pkg-config alone.
find_package(PkgConfig REQUIRED)
pkg_check_modules(tomlplusplus REQUIRED IMPORTED_TARGET GLOBAL tomlplusplus)
add_library(tomlplusplus::tomlplusplus ALIAS PkgConfig::tomlplusplus)

# Asio and Beast are headers alone in Debian: what of them is no template is compiled once here, each function a section
# of its own, so that the program takes in what it calls.
foreach(library IN ITEMS asio beast)
  string(TOUPPER ${library} upper)
  add_library(folkmoot_${library} STATIC EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/compiled/${library}.cpp)
  target_compile_definitions(folkmoot_${library} PUBLIC BOOST_${upper}_SEPARATE_COMPILATION)
  target_compile_options(folkmoot_${library} PRIVATE -w -ffunction-sections -fdata-sections)  # their warnings are not ours to mend
  target_link_libraries(folkmoot_${library} PUBLIC Boost::headers Threads::Threads)
endforeach()
target_link_libraries(folkmoot_beast PUBLIC folkmoot_asio)

if(FOLKMOOT_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
