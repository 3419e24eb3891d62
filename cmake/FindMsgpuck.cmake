# Finds msgpuck (a C header with a small static library) and makes the target msgpuck::msgpuck.
find_path(Msgpuck_INCLUDE_DIR msgpuck.h)
find_library(Msgpuck_LIBRARY msgpuck)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Msgpuck REQUIRED_VARS Msgpuck_LIBRARY Msgpuck_INCLUDE_DIR)
mark_as_advanced(Msgpuck_INCLUDE_DIR Msgpuck_LIBRARY)

if(Msgpuck_FOUND AND NOT TARGET msgpuck::msgpuck)
  add_library(msgpuck::msgpuck UNKNOWN IMPORTED)
  set_target_properties(msgpuck::msgpuck PROPERTIES IMPORTED_LOCATION "${Msgpuck_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${Msgpuck_INCLUDE_DIR}")
endif()
