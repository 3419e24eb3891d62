# How every file is compiled: C++23 without extensions, strict warnings that are errors, ccache when it is there.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Small debug information in a release: a crash report names functions and lines. NDEBUG stays undefined, since an
# assertion guards a release as well.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")

set(FOLKMOOT_WARNINGS -Wall -Wextra -Wpedantic -Wshadow
    # g++ 12 takes aligned_alloc paired with free in coroutine frames of Asio for a mismatch.
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-mismatched-new-delete> -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Asio marks its fences, which g++ says the thread sanitizer does not see; nothing of ours uses a fence.
  list(APPEND FOLKMOOT_WARNINGS -Wno-error=tsan)
endif()
add_compile_options(${FOLKMOOT_WARNINGS})

# Programs that are loaded anywhere (-fPIE), and not libraries (-fPIC), whose functions could be somebody else's in the
# end: the compiler would put none of them into another.
add_compile_options(-fPIE)

# What turns many a defect of memory into a crash instead of a way in: canaries on stacks, checked copies of the C
# library, stacks that cannot skip their guard page, return addresses that the processor keeps as well. (Not the marks
# of where indirect jumps may go: Linux watches them in no program, and each is an instruction.) The sanitizers have
# their own.
if(NOT FOLKMOOT_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -fcf-protection=return -U_FORTIFY_SOURCE
                      -D_FORTIFY_SOURCE=2)
endif()

# The files of unit tests themselves: what they test is in the modules, compiled as ever.
set(FOLKMOOT_TEST_OPTIONS -O0)
# Tests are linked by mold, where it is installed: ten times as fast. The program is linked by the system's own linker.
find_program(FOLKMOOT_MOLD mold)

# Sanitizers, named as the compiler names them: -DFOLKMOOT_SANITIZE=address,undefined (see CMakePresets.json).
set(FOLKMOOT_SANITIZE "" CACHE STRING "Sanitizers to build with, for example address,undefined")
if(FOLKMOOT_SANITIZE)
  # g++ takes the sanitizers' own code for uses of what is not set (GCC's manual, -fsanitize); other builds warn of it.
  add_compile_options(-fsanitize=${FOLKMOOT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
                      -Wno-maybe-uninitialized)
  add_link_options(-fsanitize=${FOLKMOOT_SANITIZE})
endif()

# What was compiled before is taken from ccache, where it is installed, for every clone alike: paths are taken as seen
# from the clone. It goes by the compiler's own list of what it read, and not by preprocessing, which would cost a fifth
# of the compiling itself; the two leniencies are what precompiled headers need.
if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(FOLKMOOT_CCACHE ccache)
  if(FOLKMOOT_CCACHE)
    set(launcher /usr/bin/env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1
        CCACHE_SLOPPINESS=pch_defines,time_macros ${FOLKMOOT_CCACHE})
    set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  endif()
endif()

# How the program is linked: without what nobody calls (most of Asio and Beast), and with its relocations in their packed
# form, where linker and C library know it (binutils 2.38, glibc 2.36). What it has to read of its own file to start is
# less by 100 KiB and more.
# Its tables of addresses are resolved at the start and read-only from then on.
set(FOLKMOOT_PROGRAM_LINK_OPTIONS -Wl,--gc-sections -pie -Wl,-z,relro -Wl,-z,now)
include(CheckLinkerFlag)
check_linker_flag(CXX -Wl,-z,pack-relative-relocs FOLKMOOT_PACKS_RELOCATIONS)
if(FOLKMOOT_PACKS_RELOCATIONS)
  list(APPEND FOLKMOOT_PROGRAM_LINK_OPTIONS -Wl,-z,pack-relative-relocs)
endif()

if(FOLKMOOT_LTO)
  include(CheckIPOSupported)
  check_ipo_supported()
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()
