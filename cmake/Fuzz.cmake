# Fuzz targets: libFuzzer comes with clang alone, so they and the modules that they drive are compiled by clang beside
# the main build. A module's files are compiled once into an archive that all fuzz targets share.
set(FOLKMOOT_FUZZ_FLAGS -std=c++23 -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all
    -fsanitize=fuzzer-no-link,address,undefined -I${PROJECT_SOURCE_DIR}/src -I${PROJECT_SOURCE_DIR}/include
    -DSPDLOG_COMPILED_LIB -DSPDLOG_FMT_EXTERNAL)
set(FOLKMOOT_FUZZ_LIBRARIES -lboost_json -lmsgpuck -lsimdjson -lspdlog -lfmt -lz -lzstd -lnettle -lssl -lcrypto -lpthread)

if(FOLKMOOT_TESTS AND FOLKMOOT_FUZZ)
  find_program(FOLKMOOT_CLANGXX clang++-19)
  if(NOT FOLKMOOT_CLANGXX)
    message(FATAL_ERROR "The fuzz targets need clang++-19, which is not installed. Install the packages clang-19 and "
                        "libclang-rt-19-dev (scripts/setup does), or configure with -DFOLKMOOT_FUZZ=OFF.")
  endif()
endif()

# folkmoot_fuzzer(<name> SOURCES fuzz_x.cpp... [MODULES base message...] [SECONDS 5])
# The program build/<preset>/fuzz/fuzz_<name> and the ctest entry fuzz_<name>, which runs it for SECONDS from the
# inputs of tests/fuzz/corpus/<name> (if there are any). What it finds stays in the build folder. The modules must have
# been declared before. By hand, for as long as wanted: fuzz_<name> some/folder tests/fuzz/corpus/<name>.
function(folkmoot_fuzzer name)
  cmake_parse_arguments(PARSE_ARGV 1 fuzz "" "SECONDS" "SOURCES;MODULES")
  folkmoot_refuse_unknown(folkmoot_fuzzer "${fuzz_UNPARSED_ARGUMENTS}")
  if(NOT FOLKMOOT_FUZZ)
    return()
  endif()
  if(NOT fuzz_SECONDS)
    set(fuzz_SECONDS 5)
  endif()

  set(archives)
  foreach(module IN LISTS fuzz_MODULES)
    folkmoot_fuzz_archive(${module} archive)
    list(APPEND archives ${archive})
  endforeach()
  folkmoot_absolute(sources ${fuzz_SOURCES})
  folkmoot_fuzz_objects(${name} objects ${sources})

  set(program ${PROJECT_BINARY_DIR}/fuzz/fuzz_${name})
  add_custom_command(
    OUTPUT ${program}
    COMMAND ${FOLKMOOT_CLANGXX} -g -fsanitize=fuzzer,address,undefined -o ${program} ${objects}
            -Wl,--start-group ${archives} -Wl,--end-group ${FOLKMOOT_FUZZ_LIBRARIES}
    DEPENDS ${objects} ${archives} COMMENT "Linking fuzz target fuzz_${name}" VERBATIM)
  add_custom_target(fuzz_${name} ALL DEPENDS ${program})

  set(finds ${CMAKE_CURRENT_BINARY_DIR}/finds/${name})
  set(corpus ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
  file(MAKE_DIRECTORY ${finds})
  set(folders ${finds})
  if(IS_DIRECTORY ${corpus})
    list(APPEND folders ${corpus})
  endif()
  add_test(NAME fuzz_${name}
           COMMAND ${program} -max_total_time=${fuzz_SECONDS} -timeout=10 -rss_limit_mb=1024 -print_final_stats=1
                   -artifact_prefix=${finds}/ ${folders})
  math(EXPR limit "${fuzz_SECONDS} + 60")
  set_tests_properties(fuzz_${name} PROPERTIES LABELS fuzz TIMEOUT ${limit})
endfunction()

# The archive of one module's files; made on first use, in the folder that declares fuzz targets.
function(folkmoot_fuzz_archive module out)
  set(archive ${PROJECT_BINARY_DIR}/fuzz/libfuzz_${module}.a)
  set(${out} ${archive} PARENT_SCOPE)
  get_property(made DIRECTORY PROPERTY FOLKMOOT_FUZZ_${module})
  if(made)
    return()
  endif()
  if(NOT TARGET folkmoot_${module})
    message(FATAL_ERROR "folkmoot_fuzzer: there is no module '${module}' (or it is declared later)")
  endif()

  get_target_property(sources folkmoot_${module} FOLKMOOT_SOURCES)
  folkmoot_fuzz_objects(${module} objects ${sources})
  add_custom_command(
    OUTPUT ${archive}
    COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
    COMMAND ${CMAKE_AR} crs ${archive} ${objects}
    DEPENDS ${objects} COMMENT "Archiving module ${module} for fuzzing" VERBATIM)
  add_custom_target(fuzz_module_${module} DEPENDS ${archive})
  set_property(DIRECTORY PROPERTY FOLKMOOT_FUZZ_${module} TRUE)
endfunction()

function(folkmoot_fuzz_objects group out)
  set(launcher ${CMAKE_CXX_COMPILER_LAUNCHER})
  set(objects)
  foreach(source IN LISTS ARGN)
    cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${PROJECT_SOURCE_DIR} OUTPUT_VARIABLE relative)
    set(object ${PROJECT_BINARY_DIR}/fuzz/${relative}.o)
    cmake_path(GET object PARENT_PATH folder)
    file(MAKE_DIRECTORY ${folder})
    add_custom_command(
      OUTPUT ${object}
      COMMAND ${launcher} ${FOLKMOOT_CLANGXX} ${FOLKMOOT_FUZZ_FLAGS} -MD -MF ${object}.d -c ${source} -o ${object}
      DEPENDS ${source} DEPFILE ${object}.d COMMENT "Compiling ${relative} for fuzzing" VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  set(${out} ${objects} PARENT_SCOPE)
endfunction()
