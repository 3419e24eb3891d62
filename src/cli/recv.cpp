// folkmoot recv: messages out of a mailbox. A message is acknowledged after it was printed; what was taken and not
// acknowledged goes back when the program ends, whatever ends it. With --lease it is held beyond that, and noted for
// `folkmoot ack` and its like (held_notes.hpp).
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>

#include "cli/cli.hpp"
#include "cli/held_notes.hpp"
#include "cli/print.hpp"
#include "cli/protection.hpp"
#include "cli/save.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"
#include "cli/whole_content.hpp"

namespace folkmoot::cli {
namespace {

enum class Settle { ack, nack, reject, no, later };

struct RecvOptions {
  std::string agent, reason, save;
  Settle settle = Settle::ack;
  std::uint32_t max = 1;
  bool max_given = false, delay_given = false, follow = false, json = false, raw = false;
  Milliseconds wait{0}, delay{0}, lease{0};
  std::shared_ptr<Examination> examination = std::make_shared<Examination>();
  std::shared_ptr<std::size_t> refused = std::make_shared<std::size_t>(0);
  Style style() const { return json ? Style::json : raw ? Style::raw : Style::human; }
};

void settle(Session& session, const RecvOptions& options, const Delivery& delivery) {
  switch (options.settle) {
    case Settle::ack:
      return value(session->ack(delivery));
    case Settle::reject:
      return value(session->reject(delivery, options.reason));
    case Settle::nack: {
      NackOptions how{.reason = options.reason};
      if (options.delay_given) how.delay = options.delay;
      return value(session->nack(delivery, how));
    }
    case Settle::no:
    case Settle::later:
      return;
  }
}

// Before it is printed: whoever reads of it may settle it.
void note(const RecvOptions& options, const Delivery& delivery) {
  const auto kept = HeldNotes().keep(delivery, lease_end(options.lease));
  if (kept) return;
  tell("folkmoot: the lease is not noted ({}): settle {} with --lease {}", kept.error().text,
       delivery.message.id.text(), delivery.lease);
}

// What is not of whom it says is not shown.
void refuse(Session& session, const RecvOptions& options, const Delivery& delivery) {
  ++*options.refused;
  if (options.settle != Settle::no && delivery.leased())
    value(session->reject(delivery, "refused by its recipient: " + options.examination->refusal()));
}

/// False if a signal came first: then the message goes back unseen.
bool show(Session& session, const RecvOptions& options, const Delivery& delivery) {
  return session.undisturbed([&] {
    const auto passed = options.examination->pass(session, delivery.message);
    if (!passed) return refuse(session, options, delivery);
    const auto& message = *passed;
    if (delivery.content_error && (options.raw || !options.save.empty())) throw Failure(*delivery.content_error);
    // Fetched before it is settled: what a message refers to may go when it is.
    if (!options.save.empty()) {
      tell("folkmoot: saved {}", save_content(session, message, options.save));
    } else if (options.raw && message.content_ref) {
      print_stored(session, *message.content_ref);
    }
    if (options.settle == Settle::later && delivery.leased()) note(options, delivery);
    print_message(message, options.style(),
                  {.redelivered = delivery.redelivered,
                   .lease = options.settle == Settle::later ? delivery.lease : 0,
                   .delivery = delivery.delivery});
    settle(session, options, delivery);
  });
}

// It looks like looking, and is none.
void say_not_acked(std::size_t count) {
  tell(
      "folkmoot: {} message{} delivered and not acknowledged: each goes back, one delivery older; `folkmoot mailbox "
      "peek` looks without taking",
      count, count == 1 ? "" : "s");
}

void follow(Session& session, const RecvOptions& options) {
  // Without acknowledgements the credit does not come back: the server stops when it is used up.
  if (options.settle == Settle::no) {
    tell(
        "folkmoot: what is shown is delivered and not acknowledged: each message goes back at the end, one delivery "
        "older; `folkmoot mailbox peek` looks without taking");
  }
  auto inbox = value(session->consume(options.agent, {.credit = options.settle == Settle::no ? 65'535u : 1u}));
  for (std::uint32_t shown = 0; !options.max_given || shown < options.max; ++shown) {
    auto delivery = inbox.next();
    if (!delivery && session.interrupted()) return;
    if (!show(session, options, value(std::move(delivery)))) return;
  }
}

// What nobody has seen, and a lease of its own time would hold.
void give_back(const RecvOptions& options, Session& session, std::span<const Delivery> unseen) {
  if (options.settle != Settle::later) return;
  HeldNotes notes;
  for (const auto& delivery : unseen) {
    if (!delivery.leased()) continue;
    notes.forget(delivery.message.id, delivery.lease);
    const auto done = session->nack(delivery, {.delay = Milliseconds(0), .reason = "it was not printed"});
    if (!done) tell("folkmoot: {}", done.error().describe());
  }
}

void receive(const RecvOptions& options) {
  Session session;
  if (options.follow) {
    follow(session, options);
    if (*options.refused > 0) throw Exit{ExitStatus::failed};
    return;
  }
  const auto got =
      value(session->receive(options.agent, {.max = options.max, .wait = options.wait, .lease = options.lease}));
  for (auto next = got.begin(); next != got.end(); ++next) {
    try {
      if (!show(session, options, *next))
        throw Failure({ErrorCode::cancelled, "stopped by a signal; what was not printed goes back"});
    } catch (...) {
      give_back(options, session, {next, got.end()});
      throw;
    }
  }
  if (options.settle == Settle::no && !got.empty()) say_not_acked(got.size());
  if (*options.refused > 0) throw Exit{ExitStatus::failed};
  if (!got.empty()) return;
  tell("folkmoot: nothing waits for {}", options.agent);
  throw Exit{ExitStatus::nothing};
}

}  // namespace

void add_recv(App& app) {
  auto* command =
      app.add_subcommand("recv", "Take messages out of a mailbox and print them; exit status 3 if there is none");
  const auto options = std::make_shared<RecvOptions>();
  command->add_option("AGENT", options->agent, "The mailbox")->required()->check(not_empty());
  auto* max = command->add_option("--max", options->max, "Messages at most (default 1; with --follow no end)")
                  ->check(in_range(1, 1000));
  auto* wait = add_duration(*command, "--wait", options->wait, "Wait this long for the first (default: do not wait)");
  auto* follow = command->add_flag("--follow", options->follow, "Go on until stopped by a signal, or by --max");
  follow->excludes(wait);
  auto* no_ack =
      command->add_flag("--no-ack")
          ->description(
              "Do not acknowledge: the messages go back when this program ends. Each is a delivery all the same, and "
              "counts as one towards max_deliveries; `folkmoot mailbox peek` looks without taking");
  auto* reject = command->add_option("--reject", options->reason, "Put what was printed with the dead letters")
                     ->type_name("REASON");
  auto* nack = command
                   ->add_option("--nack", options->reason,
                                "Give back what was printed, to be tried again as the retry policy says")
                   ->type_name("REASON")
                   ->excludes(reject)
                   ->excludes(no_ack);
  auto* delay = add_duration(*command, "--delay", options->delay,
                             "With --nack: not tried again before this has passed, whatever the retry policy says")
                    ->needs(nack);
  reject->excludes(no_ack);
  auto* lease = add_duration(*command, "--lease", options->lease,
                             "Hold them for so long after this program has ended; settle them with folkmoot ack, nack, "
                             "reject or complete")
                    ->check(longer_than_zero())
                    ->excludes(no_ack)
                    ->excludes(nack)
                    ->excludes(reject)
                    ->excludes(follow);
  auto* json = command->add_flag("--json", options->json, "One message a line, as JSON");
  command->add_flag("--raw", options->raw, "The content and nothing else")->excludes(json);
  command
      ->add_option("--save", options->save,
                   "Write each content into this folder, checked by its hash if it goes by reference")
      ->type_name("DIR")
      ->check(existing_folder());
  options->examination->add_to(*command);
  set_example(*command,
              "  $ folkmoot recv bob --verify --open bob.pem\n"
              "  $ folkmoot recv reviewer --wait 30s\n"
              "  anonymous task high 0193f2c4-...\n"
              "  please look at change 12");
  command->callback([=] {
    options->max_given = max->count() > 0;
    options->delay_given = delay->count() > 0;
    options->settle = no_ack->count() > 0   ? Settle::no
                      : reject->count() > 0 ? Settle::reject
                      : nack->count() > 0   ? Settle::nack
                      : lease->count() > 0  ? Settle::later
                                            : Settle::ack;
    receive(*options);
  });
}

}  // namespace folkmoot::cli
