// folkmoot cert: a private authority, and the certificates that it issues.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <memory>

#include "base/duration.hpp"
#include "cli/cli.hpp"
#include "cli/print.hpp"
#include "crypto/certificates.hpp"
#include "crypto/files.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::cli {
namespace {

constexpr std::int64_t kCertificateDayMs = 86'400'000;

struct CertOptions {
  std::string folder = "folkmoot-certs";
  std::string name, authority = "folkmoot private authority", key_kind = "p256", agent;
  std::vector<std::string> hosts, files;
  std::uint32_t days = 365;
  bool json = false;

  std::string path(std::string_view file) const { return fmt::format("{}/{}", folder, file); }
  KeyKind kind() const { return key_kind == "ed25519" ? KeyKind::ed25519 : KeyKind::p256; }
};

void make_certificate_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return;
  throw Failure(system_error(ErrorCode::io_error, "making the folder " + path, errno));
}

void check_file_name(const std::string& name) {
  if (name.empty() || name.front() == '.' || name.contains('/'))
    throw_invalid("NAME", fmt::format("`{}` cannot be the name of a file", name));
  if (name == "ca") throw_invalid("NAME", "`ca` is the authority's own");
}

// The key first: a certificate without one is of no use, and is not seen.
void write_pair(const CertOptions& options, const std::string& name, const MadeCertificate& made) {
  const auto key = options.path(name + "-key.pem"), certificate = options.path(name + ".pem");
  struct stat found{};
  if (::stat(certificate.c_str(), &found) == 0)
    throw Failure({ErrorCode::already_exists, fmt::format("{} is there already; nothing was written", certificate),
                   "move it away, or name another place"});
  value(write_new_file(key, made.key, FileFor::owner));
  value(write_new_file(certificate, made.certificate, FileFor::everybody));
  print_line(fmt::format("{}  (to be given to whoever connects)", certificate));
  print_line(fmt::format("{}  (secret; mode 0600)", key));
}

MadeCertificate authority_of(const CertOptions& options) {
  auto certificate = read_key_file(options.path("ca.pem"));
  if (!certificate) {
    certificate.error().advice = "`folkmoot cert init` makes an authority there; --folder names another place";
    throw Failure(certificate.error());
  }
  return {*certificate, value(read_key_file(options.path("ca-key.pem")))};
}

void init_authority(const CertOptions& options) {
  const auto made = value(make_authority(options.authority, options.kind(), options.days));
  make_certificate_folder(options.folder);
  write_pair(options, "ca", made);
}

void issue_named(const CertOptions& options) {
  check_file_name(options.name);
  const auto made = value(issue_certificate(authority_of(options), options.kind(),
                                            {.hosts = options.hosts, .agent = options.agent, .days = options.days}));
  write_pair(options, options.name, made);
}

void renew_named(const CertOptions& options) {
  check_file_name(options.name);
  const auto path = options.path(options.name + ".pem");
  const auto made = value(renew_certificate(authority_of(options), value(read_key_file(path)), options.days));
  value(replace_file(path, made, FileFor::everybody));
  print_line(fmt::format("{} is good for {} days; its key is the same. A server reads it on SIGHUP (`folkmoot reload`)",
                         path, options.days));
}

void show_as_json(const std::string& file, const CertificateFacts& facts) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object().field("file", file).field("subject", facts.subject).field("issuer", facts.issuer);
  writer.key("hosts").begin_array();
  for (const auto& host : facts.hosts) writer.value(host);
  writer.end_array().field("agent", facts.agent).field("key", facts.key).field("authority", facts.is_authority);
  writer.field("valid_from", format_time_ms(facts.valid_from)).field("valid_until", format_time_ms(facts.valid_until));
  writer.field("sha256", facts.fingerprint).end_object();
  print_line(out);
}

void show_certificates(const CertOptions& options) {
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  for (const auto& file : options.files) {
    const auto found = describe_certificates(value(read_key_file(file)));
    if (!found) throw Failure(within(file, found.error()));
    for (const auto& facts : *found) {
      if (options.json) {
        show_as_json(file, facts);
        continue;
      }
      const auto days = (facts.valid_until - now) / kCertificateDayMs;
      const auto left = facts.valid_until <= now ? std::string("has run out") : fmt::format("{} days more", days);
      print_line(file);
      print_line(fmt::format("  subject   {}{}", facts.subject, facts.is_authority ? " (an authority)" : ""));
      print_line(fmt::format("  issuer    {}", facts.issuer));
      if (!facts.hosts.empty()) print_line(fmt::format("  hosts     {}", fmt::join(facts.hosts, ", ")));
      if (!facts.agent.empty()) print_line(fmt::format("  agent     {}", facts.agent));
      print_line(fmt::format("  valid     {} to {} ({})", format_time_ms(facts.valid_from),
                             format_time_ms(facts.valid_until), left));
      print_line(fmt::format("  key       {}", facts.key));
      print_line(fmt::format("  SHA-256   {}", facts.fingerprint));
    }
  }
}

void add_certificate_folder(App& app, CertOptions& options) {
  app.add_option("--folder", options.folder, "Where the authority's files are (default folkmoot-certs)");
}

void add_certificate_days(App& app, std::uint32_t& into, const std::string& default_days) {
  app.add_option("--days", into, fmt::format("How long it is good (default {})", default_days))
      ->check(in_range(1, kCertificateDaysMax));
}

void add_key_kind(App& app, CertOptions& options) {
  app.add_option("--key-type", options.key_kind, "p256, which browsers know too, or ed25519 (default p256)")
      ->check(one_of({"p256", "ed25519"}));
}

}  // namespace

void add_cert(App& app) {
  auto* const command =
      app.add_subcommand("cert", "A private authority for TLS, and certificates for servers and agents");
  command->require_subcommand(1);

  auto* sub = command->add_subcommand("init", "Make a private authority: ca.pem and ca-key.pem");
  auto options = std::make_shared<CertOptions>();
  options->days = 3650;
  add_certificate_folder(*sub, *options);
  sub->add_option("--name", options->authority, "What it is called in its certificate");
  add_certificate_days(*sub, options->days, "3650");
  add_key_kind(*sub, *options);
  set_example(*sub,
              "  $ folkmoot cert init\n  folkmoot-certs/ca.pem  (to be given to whoever connects)\n"
              "  folkmoot-certs/ca-key.pem  (secret; mode 0600)");
  sub->callback([options] { init_authority(*options); });

  sub = command->add_subcommand("issue", "Issue a certificate with a new key: NAME.pem and NAME-key.pem");
  options = std::make_shared<CertOptions>();
  sub->add_option("NAME", options->name, "Of the files")->required();
  sub->add_option("--host", options->hosts, "Name or address that a server is reached by; may be given several times")
      ->expected(1)
      ->take_all();
  sub->add_option("--agent", options->agent, "Agent that a client with it is");
  add_certificate_folder(*sub, *options);
  add_certificate_days(*sub, options->days, "365");
  add_key_kind(*sub, *options);
  set_example(
      *sub,
      "  $ folkmoot cert issue server --host bus.example.org --host 10.0.0.7\n  $ folkmoot cert issue ann --agent ann");
  sub->callback([options] { issue_named(*options); });

  sub = command->add_subcommand("renew", "Make a certificate good for longer: the same names, the same key");
  options = std::make_shared<CertOptions>();
  sub->add_option("NAME", options->name, "Of the files")->required();
  add_certificate_folder(*sub, *options);
  add_certificate_days(*sub, options->days, "365");
  set_example(*sub, "  $ folkmoot cert renew server && folkmoot reload");
  sub->callback([options] { renew_named(*options); });

  sub = command->add_subcommand("show", "Show what certificates say, and how long they are good");
  options = std::make_shared<CertOptions>();
  sub->add_option("FILE", options->files, "In PEM")->required();
  sub->add_flag("--json", options->json, "Print as JSON, one certificate a line");
  set_example(*sub, "  $ folkmoot cert show folkmoot-certs/server.pem");
  sub->callback([options] { show_certificates(*options); });
}

}  // namespace folkmoot::cli
