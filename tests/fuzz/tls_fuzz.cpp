// TLS of a server's side: what a stranger sends in the place of a handshake, and behind one. Nothing may break, what is
// kept has a bound, and what was sealed by a client is read whole however the bytes come in parts.
#include <cstdlib>
#include <filesystem>

#include "base/assert.hpp"
#include "crypto/certificates.hpp"
#include "crypto/files.hpp"
#include "transport/tls_session.hpp"

namespace {

using namespace folkmoot;

struct Sides {
  std::shared_ptr<const TlsContext> server, client;
};

const Sides& sides() {
  static const Sides kSides = [] {
    auto pattern = (std::filesystem::temp_directory_path() / "folkmoot-fuzz-XXXXXX").string();
    const std::string folder = ::mkdtemp(pattern.data());
    const auto authority = *make_authority("fuzz", KeyKind::p256, 10);
    const auto made = *issue_certificate(authority, KeyKind::ed25519, {.hosts = {"localhost"}});
    FOLKMOOT_ASSERT(write_new_file(folder + "/c.pem", made.certificate, FileFor::everybody).has_value());
    FOLKMOOT_ASSERT(write_new_file(folder + "/k.pem", made.key, FileFor::owner).has_value());
    Sides out{*TlsContext::server({.certificate = folder + "/c.pem", .key = folder + "/k.pem", .client_ca = {}}),
              *TlsContext::client({.ca = {}, .certificate = {}, .key = {}, .insecure = true})};
    std::filesystem::remove_all(folder);
    return out;
  }();
  return kSides;
}

void shake(TlsSession& server, TlsSession& client) {
  (void)client.handshake({});
  for (bool is_done = false; !is_done;) {
    const auto asked = std::exchange(client.unsent(), {});
    is_done = server.handshake(as_bytes(asked)) == TlsSession::Step::done;
    const auto answer = std::exchange(server.unsent(), {});
    if (!answer.empty()) (void)client.handshake(as_bytes(answer));
  }
}

void read_all(TlsSession& session, Bytes fresh, std::size_t room, std::string& got) {
  std::string into(room, '\0');
  for (;;) {
    const auto taken = session.read(fresh, {reinterpret_cast<std::uint8_t*>(into.data()), room});
    got.append(into, 0, taken.count);
    fresh = {};
    if (taken.what != TlsSession::What::bytes || !session.has_input()) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto how = data[0];
  const std::size_t step = std::size_t{data[1]} + 1;
  const Bytes input(data + 2, size - 2);
  const auto server = TlsSession::accept(*sides().server);
  if (how % 3 == 0) {
    for (std::size_t at = 0; at < input.size(); at += step) {
      if (server->handshake(input.subspan(at, std::min(step, input.size() - at))) != TlsSession::Step::more) break;
    }
    return 0;
  }
  const auto client = TlsSession::connect(*sides().client, "localhost");
  shake(*server, *client);
  std::string got;
  if (how % 3 == 1) {
    read_all(*server, input, step, got);
    return 0;
  }
  std::string sealed;
  FOLKMOOT_ASSERT(client->write(input, sealed));
  for (std::size_t at = 0; at < sealed.size(); at += 7 * step) {
    read_all(*server, as_bytes(std::string_view(sealed).substr(at, 7 * step)), step, got);
  }
  FOLKMOOT_ASSERT(got == as_text(input));
  return 0;
}
