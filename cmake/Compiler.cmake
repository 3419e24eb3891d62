# How every file is compiled: C++23 without extensions, strict warnings that are errors, ccache when it is there.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Small debug information in a release: a crash report names functions and lines. NDEBUG stays undefined, since an
# assertion guards a release as well.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")

set(FOLKMOOT_WARNINGS -Wall -Wextra -Wpedantic -Wshadow
    # g++ 12 takes aligned_alloc paired with free in coroutine frames of Asio for a mismatch.
    -Wno-mismatched-new-delete -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Asio marks its fences, which g++ says the thread sanitizer does not see; nothing of ours uses a fence.
  list(APPEND FOLKMOOT_WARNINGS -Wno-error=tsan)
endif()
add_compile_options(${FOLKMOOT_WARNINGS})

# Sanitizers, named as the compiler names them: -DFOLKMOOT_SANITIZE=address,undefined (see CMakePresets.json).
set(FOLKMOOT_SANITIZE "" CACHE STRING "Sanitizers to build with, for example address,undefined")
if(FOLKMOOT_SANITIZE)
  add_compile_options(-fsanitize=${FOLKMOOT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${FOLKMOOT_SANITIZE})
endif()

if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(FOLKMOOT_CCACHE ccache)
  if(FOLKMOOT_CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER ${FOLKMOOT_CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${FOLKMOOT_CCACHE})
  endif()
endif()

# Relocations in their packed form, where linker and C library know it (binutils 2.38, glibc 2.36): what a program has to read of
# its own file to start is less by 100 KiB and more.
include(CheckLinkerFlag)
check_linker_flag(CXX -Wl,-z,pack-relative-relocs FOLKMOOT_PACKS_RELOCATIONS)
if(FOLKMOOT_PACKS_RELOCATIONS)
  add_link_options(-Wl,-z,pack-relative-relocs)
endif()

if(FOLKMOOT_LTO)
  include(CheckIPOSupported)
  check_ipo_supported()
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()
