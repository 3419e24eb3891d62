// The functions of Boost.Beast that are no templates, compiled once (cmake/Dependencies.cmake) rather than in every
// file.
#include <boost/beast/src.hpp>
