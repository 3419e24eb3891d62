// GoogleTest's main(), which writes down what each test reaches (mutant.hpp).
#include <gtest/gtest.h>

#include <ctime>
#include <string>

#include "mutation/mutant.hpp"

namespace {

class Recorder : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override {
    folkmoot::mutation::begin();
    began_ = std::clock();
  }
  void OnTestEnd(const testing::TestInfo& test) override {
    const auto name = std::string(test.test_suite_name()).append(".").append(test.name());
    folkmoot::mutation::end(name.c_str(), static_cast<double>(std::clock() - began_) / CLOCKS_PER_SEC);
  }

  std::clock_t began_ = 0;  // of the processor's time
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (folkmoot::mutation::recording) testing::UnitTest::GetInstance()->listeners().Append(new Recorder);
  return RUN_ALL_TESTS();
}
