// A folder that is there wholly or not at all: made beside under another name, and renamed when it is whole. Until then
// it has an empty file `backup`, so that neither a server nor a restore takes what is there for a whole one.
#pragma once

#include <string>

namespace folkmoot::cli {

class PartialFolder {
 public:
  /// `target` is not there, or is an empty folder. What an earlier run left unfinished beside it is removed. Throws
  /// Failure: already_exists, in_use (another run makes the same), io_error.
  explicit PartialFolder(std::string target);
  PartialFolder(const PartialFolder&) = delete;
  /// Removes it, unless it was finished.
  ~PartialFolder();

  /// Where to write meanwhile.
  const std::string& path() const { return path_; }
  /// It is whole: takes its name, durably. Throws Failure.
  void finish();

 private:
  std::string target_, path_;
  int fd_ = -1;
};

}  // namespace folkmoot::cli
