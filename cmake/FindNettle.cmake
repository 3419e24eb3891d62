# Finds Nettle (hashes and ciphers in C) and makes the target nettle::nettle.
find_path(Nettle_INCLUDE_DIR nettle/sha2.h)
# The static library, where there is one: the shared one would cost a server 240 KiB of memory for one function.
find_library(Nettle_LIBRARY NAMES libnettle.a nettle)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Nettle REQUIRED_VARS Nettle_LIBRARY Nettle_INCLUDE_DIR)
mark_as_advanced(Nettle_INCLUDE_DIR Nettle_LIBRARY)

if(Nettle_FOUND AND NOT TARGET nettle::nettle)
  add_library(nettle::nettle UNKNOWN IMPORTED)
  set_target_properties(nettle::nettle PROPERTIES IMPORTED_LOCATION "${Nettle_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${Nettle_INCLUDE_DIR}")
endif()
