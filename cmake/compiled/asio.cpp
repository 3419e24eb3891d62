// The functions of Boost.Asio that are no templates, compiled once (cmake/Dependencies.cmake) rather than in every
// file.
#include <boost/asio/impl/src.hpp>
