// folkmoot key: keys of agents, to sign with and to be sealed for; and contents sealed so that the server cannot read
// them.
#include <fmt/format.h>

#include <memory>

#include "cli/cli.hpp"
#include "cli/key_files.hpp"
#include "cli/print.hpp"
#include "crypto/files.hpp"
#include "folkmoot/keys.hpp"
#include "folkmoot/sealing.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::cli {
namespace {

struct KeyOptions {
  std::string name, file, passphrase_file, type = "x25519", format = "pem", out, bound;
  std::vector<std::string> files;
  std::uint32_t bits = kRsaBitsDefault;
  bool is_public = false, json = false;
};

KeyType key_type_of(const std::string& word) {
  return word == "ed25519" ? KeyType::ed25519 : word == "rsa" ? KeyType::rsa : KeyType::x25519;
}

void generate_key(const KeyOptions& options) {
  const auto key = value(PrivateKey::generate(key_type_of(options.type), options.bits));
  const auto secret = options.name + ".pem", open = options.name + ".pub.pem";
  value(write_new_file(secret, key.pem(key_passphrase(options.passphrase_file)), FileFor::owner));
  value(write_new_file(open, key.public_key().pem(), FileFor::everybody));
  if (options.json) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("secret", secret).field("public", open).field("type", options.type);
    writer.field("thumbprint", key.public_key().thumbprint()).end_object();
    return print_line(out);
  }
  print_line(fmt::format("{}  (secret; mode 0600)", secret));
  print_line(fmt::format("{}  (to be given to others)", open));
  print_line(fmt::format("{} {}", options.type, key.public_key().thumbprint()));
}

void show_keys(const KeyOptions& options) {
  for (const auto& file : options.files) {
    const auto key = public_key_of(file, options.passphrase_file);
    const auto use = key.type() == KeyType::ed25519 ? "signs" : "is sealed for";
    if (options.json) {
      std::string out;
      JsonWriter(out)
          .begin_object()
          .field("file", file)
          .field("type", name(key.type()))
          .field("thumbprint", key.thumbprint())
          .end_object();
      print_line(out);
    } else {
      print_line(fmt::format("{}  {} {}  ({})", file, name(key.type()), key.thumbprint(), use));
    }
  }
}

void write_key(const KeyOptions& options, const std::string& text, FileFor reader) {
  if (options.out.empty()) return print_line(text.ends_with('\n') ? text.substr(0, text.size() - 1) : text);
  value(write_new_file(options.out, text.ends_with('\n') ? text : text + "\n", reader));
}

void convert_key(const KeyOptions& options) {
  if (options.is_public) {
    const auto key = public_key_of(options.file, options.passphrase_file);
    return write_key(options, options.format == "jwk" ? key.jwk() : key.pem(), FileFor::everybody);
  }
  const auto key = private_key_of(options.file, options.passphrase_file);
  write_key(options, options.format == "jwk" ? key.jwk() : key.pem(key_passphrase(options.passphrase_file)),
            FileFor::owner);
}

void seal_content(const KeyOptions& options) {
  std::vector<PublicKey> keys;
  for (const auto& file : options.files) keys.push_back(public_key_of(file, {}));
  print_line(value(seal_for(keys, options.bound, read_content("-"))));
}

void open_content(const KeyOptions& options) {
  const std::vector keys{private_key_of(options.file, options.passphrase_file)};
  value(write_part(value(open_sealed(keys, options.bound, read_content("-")))));
}

void add_key_passphrase(App& app, KeyOptions& options) {
  app.add_option("--passphrase-file", options.passphrase_file, "File whose first line is the key's passphrase");
}

void add_key_bound(App& app, KeyOptions& options) {
  app.add_option("--bound", options.bound,
                 "What the content belongs to, such as FROM and TO; the same to seal and open");
}

std::shared_ptr<KeyOptions> add_key_command(App& app, const std::string& name, const std::string& help,
                                            const std::string& example, void (*call)(const KeyOptions&), App*& sub) {
  sub = app.add_subcommand(name, help);
  const auto options = std::make_shared<KeyOptions>();
  set_example(*sub, example);
  sub->callback([options, call] { call(*options); });
  return options;
}

}  // namespace

void add_key(App& app) {
  auto* const command = app.add_subcommand("key", "Keys of agents, and contents that the server cannot read");
  command->require_subcommand(1);
  add_key_trust(*command);
  App* sub = nullptr;

  auto options = add_key_command(*command, "generate", "Make a key: NAME.pem, and NAME.pub.pem for others",
                                 "  $ folkmoot key generate bob\n  $ folkmoot key generate ann-sign --type ed25519",
                                 generate_key, sub);
  sub->add_option("NAME", options->name, "Of the files")->required()->check(not_empty());
  sub->add_option("--type", options->type, "x25519 or rsa, to be sealed for; ed25519, to sign (default x25519)")
      ->check(one_of({"x25519", "rsa", "ed25519"}));
  sub->add_option("--bits", options->bits, "Of an RSA key (default 3072)")->check(in_range(kRsaBitsMin, kRsaBitsMax));
  sub->add_flag("--json", options->json, "Print as JSON what was written, and where");
  add_key_passphrase(*sub, *options);

  options = add_key_command(*command, "show", "Show which keys files hold, by their thumbprints",
                            "  $ folkmoot key show bob.pub.pem", show_keys, sub);
  sub->add_option("FILE", options->files, "In PEM or JWK")->required();
  sub->add_flag("--json", options->json, "Print as JSON, a key a line");
  add_key_passphrase(*sub, *options);

  options = add_key_command(*command, "convert", "Write a key in the other notation, or its public part",
                            "  $ folkmoot key convert bob.pem --public --format jwk", convert_key, sub);
  sub->add_option("FILE", options->file, "In PEM or JWK")->required();
  sub->add_option("--format", options->format, "pem or jwk (default pem)")->check(one_of({"pem", "jwk"}));
  sub->add_flag("--public", options->is_public, "Its public part alone");
  sub->add_option("--out", options->out, "A new file, of mode 0600 for a secret key (default: stdout)");
  add_key_passphrase(*sub, *options);

  options = add_key_command(
      *command, "seal", "Seal stdin for everybody whose key is given: JSON Web Encryption",
      "  $ folkmoot key seal bob.pub.pem < plan | folkmoot send bob - --content-type application/jose+json",
      seal_content, sub);
  sub->add_option("FILE", options->files, "Of each recipient, in PEM or JWK")->required();
  add_key_bound(*sub, *options);

  options = add_key_command(*command, "open", "Open what was sealed, from stdin",
                            "  $ folkmoot recv bob --raw | folkmoot key open bob.pem", open_content, sub);
  sub->add_option("FILE", options->file, "Your key, in PEM or JWK")->required();
  add_key_bound(*sub, *options);
  add_key_passphrase(*sub, *options);
}

}  // namespace folkmoot::cli
