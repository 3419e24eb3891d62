// folkmoot doctor: would a server with these settings work, and be safe, on this machine?
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/cli.hpp"
#include "cli/doctor/findings.hpp"
#include "cli/print.hpp"
#include "cli/serve_arguments.hpp"
#include "message/json_writer.hpp"

namespace folkmoot::cli {

void Findings::good_if_nothing_else(std::string_view subject, std::string what) {
  if (std::ranges::find(all_, subject, &Finding::subject) == all_.end()) good(subject, std::move(what));
}

namespace {

std::string_view word(Weight weight) {
  switch (weight) {
    case Weight::good:
      return "ok";
    case Weight::warning:
      return "warning";
    case Weight::problem:
      return "problem";
  }
  return {};
}

struct DoctorOptions {
  ServeArguments serve;
  std::vector<std::string> webhooks;
  bool json = false;
};

Findings examine(const DoctorOptions& options) {
  const auto& arguments = options.serve;
  Findings findings;
  const auto config = read_settings(arguments);
  if (!config) {
    findings.problem("settings", config.error().text,
                     config.error().advice.empty() ? "`folkmoot serve --help` lists them" : config.error().advice);
    return findings;
  }
  findings.good("settings", fmt::format("can be read; {} were given", config->sources.size()));
  examine_access(*config, arguments.config_file, findings);
  examine_promises(*config, findings);
  examine_seal(*config, findings);
  examine_address(*config, findings);
  examine_disk(*config, findings);
  examine_history(*config, findings);
  examine_issuer(*config, findings);
  examine_telemetry(*config, findings);
  examine_endpoints(*config, options.webhooks, findings);
  examine_redis(findings);
  examine_machine(*config, findings);
  return findings;
}

void print_finding(const Finding& finding, bool json) {
  if (json) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().field("weight", word(finding.weight)).field("subject", finding.subject);
    writer.field("what", finding.what).optional_field("advice", finding.advice).end_object();
    return print_line(out);
  }
  print_line(fmt::format("{:<8} {:<12} {}", word(finding.weight), finding.subject, finding.what));
  if (!finding.advice.empty()) print_line(fmt::format("{:<21} {}", "", finding.advice));
}

int run_doctor(const DoctorOptions& options) {
  const auto findings = examine(options);
  for (const auto& finding : findings.all()) print_finding(finding, options.json);
  return std::ranges::find(findings.all(), Weight::problem, &Finding::weight) == findings.all().end() ? 0 : 1;
}

}  // namespace

void add_doctor(App& app) {
  auto* const command = app.add_subcommand(
      "doctor", "Say whether a server with these settings would work, and be safe, on this machine; changes nothing");
  auto options = std::make_shared<DoctorOptions>();
  add_serve_arguments(*command, options->serve);
  command->add_option(
      "--webhook", options->webhooks,
      "The endpoint of a webhook: can it be reached, is its certificate trusted, may webhooks go there? "
      "Nothing is posted. (May be repeated; those of a server that runs on the data folder are looked "
      "at anyway)");
  command->add_flag("--json", options->json, "A JSON object for each finding");
  set_example(*command,
              "  folkmoot doctor --config /etc/folkmoot.toml\n"
              "  folkmoot doctor --listen 0.0.0.0:7470 --data /var/lib/folkmoot || echo 'not like this'\n"
              "  folkmoot doctor --webhook https://agents.example.com/mail\n"
              "$REDIS_URL, if it is set, is looked at as well. "
              "Give it what `folkmoot serve` is given. Exit status: 0, also with warnings; 1 if there is a problem.");
  command->callback([options] {
    if (const int status = run_doctor(*options); status != 0) throw Exit{status};
  });
}

}  // namespace folkmoot::cli
