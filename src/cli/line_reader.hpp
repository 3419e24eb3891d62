// The lines of a file or of stdin, one by one; waiting for one ends when the program is told to stop.
#pragma once

#include <string>

#include "folkmoot/error.hpp"

namespace folkmoot::cli {

class LineReader {
 public:
  /// `path`: of a file, or - for stdin. Errors: io_error.
  static Result<LineReader> open(const std::string& path);
  LineReader(LineReader&& other) noexcept;
  LineReader& operator=(LineReader&&) = delete;
  ~LineReader();

  /// The next line, without its line feed. False: there is none. Errors: out_of_range for one that is longer than any
  /// content may be, io_error, cancelled.
  Result<bool> next(std::string& line);
  /// Of the line that was read last, from 1 on.
  std::size_t number() const { return number_; }

 private:
  LineReader(std::string path, int file) : path_(std::move(path)), file_(file) {}
  Result<bool> read_more();

  std::string path_;
  int file_;  // -1: moved from
  std::string read_;
  std::size_t at_ = 0;  // of what is read and was not given yet
  std::size_t number_ = 0;
};

}  // namespace folkmoot::cli
