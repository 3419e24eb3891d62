// TLS of one connection, without its socket: bytes of the network go in and bytes of the peer come out, and the other
// way round. It never waits and knows no thread; whoever has the socket has it too, and hands both on.
//
//   network --fresh--> read() --into--> what the peer said
//   what is said ----> write() --out--> network
//
// What TLS itself has to say (handshake, alerts) is in unsent(), and goes out before anything else.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "transport/tls_context.hpp"

typedef struct ssl_st SSL;

namespace folkmoot {

/// Who a certificate says the peer is, verified.
struct VerifiedPeer {
  std::string name{};      // empty: none was asked for, or shown
  std::int64_t until = 0;  // Unix ms: when the certificate runs out
};

class TlsSession {
 public:
  /// Null if there is no memory for it.
  static std::unique_ptr<TlsSession> accept(const TlsContext& context);
  /// `host`: whose certificate it must be, a name or an address.
  static std::unique_ptr<TlsSession> connect(const TlsContext& context, const std::string& host);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  enum class Step : std::uint8_t { more, done, failed };
  /// Goes on with the handshake by what has come. `more`: it needs what comes next. What the peer says behind the
  /// handshake is kept.
  Step handshake(Bytes fresh);

  enum class What : std::uint8_t { bytes, nothing, ended, failed };
  struct Taken {
    What what = What::nothing;
    std::size_t count = 0;
  };
  /// What the peer said, as far as it has come and `into` has room; what there is no room for is kept.
  /// Requires: the handshake is done; `fresh` is empty while has_input().
  Taken read(Bytes fresh, std::span<std::uint8_t> into);
  /// Keeps what has come for the next read(), and learns whether it is the end.
  void take_in(Bytes fresh);
  /// The peer has said that nothing more comes, and all that it said before was read.
  bool has_ended() const { return has_ended_; }
  /// Whether read() may have something without anything fresh.
  bool has_input() const;

  /// Appends what goes over the network for `plain`. Requires: the handshake is done. False: it is broken.
  bool write(Bytes plain, std::string& out);
  /// Says that nothing more comes from this side, in unsent(). Nothing the second time.
  void end();
  /// Waits to go over the network, before anything that write() makes.
  std::string& unsent() { return unsent_; }
  bool has_unsent() const { return !unsent_.empty(); }

  /// Why a handshake or read() failed.
  const Error& error() const { return error_; }
  /// Of a server, once the handshake is done.
  const VerifiedPeer& verified() const { return verified_; }
  /// As people name it: "TLSv1.3".
  std::string_view version() const;

 private:
  friend struct TlsPipe;
  explicit TlsSession(SSL* ssl);
  void note_failure(int result);
  void keep_rest();
  void note_peer();

  SSL* const ssl_;
  Bytes input_;       // not taken in by OpenSSL yet: of kept_, or of what is fresh
  std::string kept_;  // of what was fresh before
  std::string unsent_;
  std::string* out_ = &unsent_;  // where OpenSSL's output goes
  VerifiedPeer verified_;
  std::string host_;  // of a client
  Error error_{};
  bool has_ended_ = false;  // the peer, and nobody was told
  bool has_failed_ = false;
  bool said_end_ = false;
};

}  // namespace folkmoot
