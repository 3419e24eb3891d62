// folkmoot content: what is too large for a message, stored on the server under its hash.
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "cli/session.hpp"
#include "cli/whole_content.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::cli {
namespace {

struct ContentOptions {
  std::string file, hash, out;
  bool json = false;
};

std::string as_json(const ContentRef& ref) {
  std::string out;
  JsonWriter(out).begin_object().field("sha256", ref.hash.text()).field("size", ref.size).end_object();
  return out;
}

ContentHash parse_hash(const std::string& text) {
  const auto hash = ContentHash::parse(text);
  if (!hash) throw_invalid("SHA256", fmt::format("`{}` is not a SHA-256 of 64 hexadecimal digits", text));
  return *hash;
}

ContentRef find(Session& session, const std::string& text) {
  const auto hash = parse_hash(text);
  const auto size = value(session->find_content(hash));
  if (!size)
    throw Failure({ErrorCode::not_found, fmt::format("no content {} is stored there", hash.text()),
                   "it was removed, as no message referred to it any more, or is on another server"});
  return {hash, *size};
}

void show(const ContentOptions& options, const ContentRef& ref) {
  print_line(options.json ? as_json(ref) : fmt::format("{}  {} bytes", ref.hash.text(), ref.size));
}

void put(const ContentOptions& options) {
  Session session;
  show(options, upload(session, options.file));
}

void get(const ContentOptions& options) {
  if (options.json && options.out.empty()) throw_missing("--out, if --json is given,");
  Session session;
  const auto ref = find(session, options.hash);
  options.out.empty() ? print_stored(session, ref) : save_stored(session, ref, options.out);
  if (options.json) show(options, ref);
}

void stat(const ContentOptions& options) {
  Session session;
  show(options, find(session, options.hash));
}

}  // namespace

void add_content(App& app) {
  auto* command = app.add_subcommand("content", "Store and fetch what is too large for a message");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, const char* example, void (*run)(const ContentOptions&)) {
    auto* one = command->add_subcommand(name, help);
    const auto options = std::make_shared<ContentOptions>();
    set_example(*one, example);
    one->callback([options, run] { run(*options); });
    return std::pair(one, options);
  };
  {
    const auto [one, options] =
        add("put", "Store a file, unless the server has it, and print its hash; a message should refer to it soon",
            "  $ folkmoot content put video.mp4\n  9f86d081...  81264023 bytes", put);
    one->add_option("FILE", options->file, "The file")->required()->check(existing_file());
    one->add_flag("--json", options->json, "Print as JSON");
  }
  {
    const auto [one, options] = add("get", "Fetch a content; exit status 1 if its hash is not right",
                                    "  $ folkmoot content get 9f86d081... --out video.mp4", get);
    one->add_option("SHA256", options->hash, "As put and recv print it")->required();
    one->add_option("--out", options->out, "Into this file (default: stdout)")->type_name("FILE");
    one->add_flag("--json", options->json, "With --out: print what was fetched as JSON");
  }
  {
    const auto [one, options] = add("stat", "Whether a content is stored, and its size; exit status 1 if not",
                                    "  $ folkmoot content stat 9f86d081...\n  9f86d081...  81264023 bytes", stat);
    one->add_option("SHA256", options->hash, "As put and recv print it")->required();
    one->add_flag("--json", options->json, "Print as JSON");
  }
  set_example(*command, "  $ folkmoot content put video.mp4\n  9f86d081...  81264023 bytes");
}

}  // namespace folkmoot::cli
