// Commands that answer messages: input, output, status, bounds, and being stopped.
#include "cli/run_command.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace folkmoot::cli {
namespace {

Result<CommandResult> run(const std::string& command, const std::string& input = {}, std::size_t most = 1 << 20) {
  return run_command(command, input, {{"FOLKMOOT_FROM", "tester"}}, most, [] { return false; });
}

TEST(RunCommandTest, A4_a_command_gets_its_input_and_environment_and_gives_its_output_and_status) {
  EXPECT_EQ(run("cat", "hello")->output, "hello");
  EXPECT_EQ(run("printf %s \"$FOLKMOOT_FROM\"")->output, "tester");
  EXPECT_EQ(run("exit 3")->status, 3);
  EXPECT_EQ(run("kill -KILL $$")->status, 128 + 9);
  EXPECT_EQ(run("/nowhere/at/all 2>/dev/null")->status, 127);
}

TEST(RunCommandTest, A4_more_input_than_a_pipe_holds_goes_through_while_output_comes_back) {
  const std::string big(600'000, 'x');
  EXPECT_EQ(run("cat", big)->output, big);
}

TEST(RunCommandTest, A4_a_command_that_does_not_read_its_input_does_no_harm) {
  const auto ran = run("echo done", std::string(600'000, 'x'));
  ASSERT_TRUE(ran) << ran.error().describe();
  EXPECT_EQ(ran->output, "done\n");
  EXPECT_EQ(ran->status, 0);
}

TEST(RunCommandTest, A10_the_end_of_what_it_says_on_stderr_is_kept) {
  EXPECT_EQ(run("echo one >&2; echo out; echo two >&2; exit 1")->errors, "one\ntwo");
  EXPECT_EQ(run("echo out; exit 1")->errors, "");
  EXPECT_EQ(run("printf '\\033[31mred\\377\\n\\n' >&2; exit 1")->errors, "?[31mred?");
  const auto last = run("for i in $(seq 20000); do echo line $i \xc3\xa4 >&2; done; exit 1")->errors;
  EXPECT_LE(last.size(), 1'024u);
  EXPECT_GT(last.size(), 900u);
  EXPECT_TRUE(last.ends_with("line 20000 \xc3\xa4")) << last;
}

TEST(RunCommandTest, A4_what_it_leaves_running_is_not_waited_for) {
  const auto began = std::chrono::steady_clock::now();
  const auto ran = run("sleep 30 >/dev/null & echo done");
  EXPECT_EQ(ran->output, "done\n");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

TEST(RunCommandTest, A4_too_much_output_ends_the_command) {
  EXPECT_EQ(run("yes", {}, 1000).error().code, ErrorCode::content_too_large);
}

TEST(RunCommandTest, A4_a_command_is_stopped_when_asked) {
  const auto began = std::chrono::steady_clock::now();
  const auto ran = run_command("exec sleep 30", {}, {}, 1000, [] { return true; });
  EXPECT_EQ(ran.error().code, ErrorCode::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

}  // namespace
}  // namespace folkmoot::cli
