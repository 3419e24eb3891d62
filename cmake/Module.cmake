# What a module, a test and a fuzz target are: one function each, so that a folder's CMakeLists.txt is a list of files.

# Foundations first; a module may depend on modules before it. A name of this list given to DEPENDS means the target
# folkmoot_<name>, a library's bare name (msgpuck) its imported target (msgpuck::msgpuck), any other word is a target.
set(FOLKMOOT_MODULES base crypto message filter operation access engine journal archive content stream reliability security transport server webhook traces issuer gateway client cli)

# What a file costs to compile is mostly the headers that it includes, which the next file of its module includes too. So
# several of them are one translation unit. A name that two of them hide in a namespace without a name is refused by the
# compiler then: it is given another. What a file includes must do for it alone all the same: -DFOLKMOOT_UNITY=OFF.
# Modules of the hot path are compiled file by file: together they are inlined otherwise, and a durable message costs 2 %
# more instructions.
option(FOLKMOOT_UNITY "Compile several files of a module as one" ON)
set(FOLKMOOT_UNITY_FILES 6)

# folkmoot_together(<out> <name> <base> file...): what is compiled in the place of these files. They are included by
# their paths below <base>, a folder where headers are looked for; so another clone writes the same, and finds it in the
# compiler cache (CMake's own unity builds have the clone's path in them).
function(folkmoot_together out name base)
  if(NOT FOLKMOOT_UNITY)
    set(${out} ${ARGN} PARENT_SCOPE)
    return()
  endif()
  set(units)
  set(files ${ARGN})
  while(files)
    set(text "// Files that are compiled together (cmake/Module.cmake).\n")
    set(number 0)
    while(files AND number LESS FOLKMOOT_UNITY_FILES)
      list(POP_FRONT files file)
      cmake_path(RELATIVE_PATH file BASE_DIRECTORY ${base})
      string(APPEND text "#include \"${file}\"\n")
      math(EXPR number "${number} + 1")
    endwhile()
    list(LENGTH units index)
    set(unit ${CMAKE_CURRENT_BINARY_DIR}/together/${name}_${index}.cpp)
    file(CONFIGURE OUTPUT ${unit} CONTENT "${text}" @ONLY)
    list(APPEND units ${unit})
  endwhile()
  # g++ takes a file of ours that is included for a header, whose types in a namespace without a name others might see.
  set_source_files_properties(${units} PROPERTIES COMPILE_OPTIONS $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  set(${out} ${units} PARENT_SCOPE)
endfunction()

function(folkmoot_targets_of out)
  set(targets)
  foreach(name IN LISTS ARGN)
    if(name IN_LIST FOLKMOOT_MODULES)
      list(APPEND targets folkmoot_${name})
    elseif(TARGET ${name}::${name})
      list(APPEND targets ${name}::${name})
    else()
      list(APPEND targets ${name})
    endif()
  endforeach()
  set(${out} ${targets} PARENT_SCOPE)
endfunction()

function(folkmoot_absolute out)
  set(paths)
  foreach(path IN LISTS ARGN)
    cmake_path(ABSOLUTE_PATH path BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    list(APPEND paths ${path})
  endforeach()
  set(${out} ${paths} PARENT_SCOPE)
endfunction()

# folkmoot_module(<name> [APART] [SOURCES file...] [ALONE file...] [DEPENDS module-or-target...])
# APART: each file is compiled by itself; ALONE: these are.
# The static library folkmoot_<name>; a module without sources is an interface target of its headers. The sources are
# kept in the target's property FOLKMOOT_SOURCES, for fuzz targets to compile again with their own compiler.
function(folkmoot_module name)
  cmake_parse_arguments(PARSE_ARGV 1 module "APART" "" "SOURCES;ALONE;DEPENDS")
  folkmoot_refuse_unknown(folkmoot_module "${module_UNPARSED_ARGUMENTS}")
  folkmoot_absolute(sources ${module_SOURCES})
  folkmoot_absolute(alone ${module_ALONE})
  folkmoot_targets_of(depends ${module_DEPENDS})

  if(sources)
    set(units ${sources})
    if(NOT module_APART)
      folkmoot_together(units ${name} ${PROJECT_SOURCE_DIR}/src ${sources})
    endif()
    add_library(folkmoot_${name} STATIC ${units} ${alone})
    set(scope PUBLIC)
  else()
    add_library(folkmoot_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(folkmoot_${name} ${scope} ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(folkmoot_${name} ${scope} ${depends})
  set_target_properties(folkmoot_${name} PROPERTIES FOLKMOOT_SOURCES "${sources};${alone}")
endfunction()

# folkmoot_test(<name> LABEL unit|integration|simulation|fuzz|planted SOURCES file... [DEPENDS module-or-target...]
#               [ARGS argument...] [TIMEOUT seconds])
# A GoogleTest program and one ctest entry of that name. A test labelled `planted` plants a defect and passes when the
# harness finds it: it shows that the alarm works.
function(folkmoot_test name)
  cmake_parse_arguments(PARSE_ARGV 1 test "" "LABEL;TIMEOUT" "SOURCES;DEPENDS;ARGS")
  folkmoot_refuse_unknown(folkmoot_test "${test_UNPARSED_ARGUMENTS}")
  if(NOT test_LABEL MATCHES "^(unit|integration|simulation|fuzz|planted)$")
    message(FATAL_ERROR "folkmoot_test(${name}): LABEL must be unit, integration, simulation, fuzz or planted")
  endif()
  if(NOT test_TIMEOUT)
    set(test_TIMEOUT 120)
  endif()
  folkmoot_targets_of(depends ${test_DEPENDS})

  add_executable(${name} ${test_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include
                             ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${depends} ${FOLKMOOT_TEST_LIBRARIES} GTest::gtest_main)
  folkmoot_use_precompiled(${name} test)
  folkmoot_link_fast(${name})
  target_compile_options(${name} PRIVATE ${FOLKMOOT_TEST_OPTIONS})
  add_test(NAME ${name} COMMAND ${name} ${test_ARGS})
  set_tests_properties(${name} PROPERTIES LABELS ${test_LABEL} TIMEOUT ${test_TIMEOUT})
endfunction()

# folkmoot_link_fast(<target>): a program that nobody installs.
function(folkmoot_link_fast target)
  if(FOLKMOOT_MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_link_options(${target} PRIVATE -fuse-ld=mold)
  endif()
endfunction()

function(folkmoot_refuse_unknown function words)
  if(words)
    message(FATAL_ERROR "${function}: I do not know what to do with: ${words}")
  endif()
endfunction()

include(${CMAKE_CURRENT_LIST_DIR}/Fuzz.cmake)
