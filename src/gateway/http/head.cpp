#include "gateway/http/head.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "gateway/limits.hpp"

namespace folkmoot {
namespace {

constexpr std::size_t kLengthDigitsMax = 18;
constexpr std::size_t kShownBytes = 60;

using Checked = std::expected<void, Refusal>;

std::unexpected<Refusal> refused(int status, std::string text) {
  return std::unexpected(Refusal{status, {ErrorCode::malformed, std::move(text)}});
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_token_char(char c) { return is_digit(c) || is_alpha(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c); }
bool is_token(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_token_char); }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_number(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_digit); }

// The beginning of what somebody sent, for a text about it.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, kShownBytes));
  for (auto& c : out) {
    if (is_control(c) || static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return out;
}

/// The elements of a list (RFC 9110, section 5.6.1), empty ones too.
template <class OnElement>
void each_element(std::string_view list, OnElement on_element) {
  for (std::size_t at = 0; at <= list.size();) {
    const auto end = std::min(list.find(',', at), list.size());
    on_element(trimmed(list.substr(at, end - at)));
    at = end + 1;
  }
}

// reg-name and IPv4address of RFC 3986, section 3.2.2.
bool is_host_name(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
      i += 2;
    } else if (!is_digit(c) && !is_alpha(c) && !std::string_view("-._~!$&'()*+,;=").contains(c)) {
      return false;
    }
  }
  return !text.empty() && text.size() <= 255;
}

// As everybody writes it; nothing for what is none.
std::optional<std::string> ipv6(std::string_view text) {
  in6_addr address{};
  char out[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof out || ::inet_pton(AF_INET6, std::string(text).c_str(), &address) != 1) return std::nullopt;
  return ::inet_ntop(AF_INET6, &address, out, sizeof out);
}

// -- the request line

// Errors: 400 for what is none, 505 for another major version.
std::expected<int, Refusal> minor_version(std::string_view text) {
  if (text.size() != 8 || !text.starts_with("HTTP/") || !is_digit(text[5]) || text[6] != '.' || !is_digit(text[7])) {
    return refused(400, "the request line does not end in a version such as HTTP/1.1");
  }
  if (text[5] != '1') return refused(505, fmt::format("{} is not spoken here; HTTP/1.1 is", text));
  return text[7] == '0' ? 0 : 1;
}

// `http://host:port/path?query` (RFC 9112, section 3.2.2) becomes its path, and says for whom it is.
Checked read_absolute_target(RequestHead& head) {
  const auto scheme_end = head.target.find("://");
  const auto scheme = lower_case(std::string_view(head.target).substr(0, scheme_end));
  if (scheme_end == std::string::npos) {
    return refused(400, "the request's target is neither a path nor a whole http address");
  }
  const auto begin = scheme_end + 3;
  const auto end = std::min(head.target.find_first_of("/?#", begin), head.target.size());
  head.authority = parse_authority(std::string_view(head.target).substr(begin, end - begin));
  if (!head.authority) return refused(400, "the request's target has no valid host");
  if (scheme != "http") {
    return std::unexpected(
        Refusal{421, {ErrorCode::malformed, fmt::format("addresses with `{}:` are not served here", shown(scheme))}});
  }
  head.target.erase(0, end);
  if (!head.target.starts_with('/')) head.target.insert(head.target.begin(), '/');
  return {};
}

Checked read_request_line(std::string_view line, RequestHead& head) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return refused(400, "the request line is not a method, a target and a version with one blank between each");
  }
  const auto target = line.substr(first + 1, last - first - 1);
  head.method = line.substr(0, first);
  if (!is_token(head.method)) return refused(400, "the request's method is not a token");
  if (target.empty() || std::ranges::any_of(target, [](char c) { return is_control(c) || c == ' '; })) {
    return refused(400, "the request's target is empty or has blanks in it");
  }
  const auto minor = minor_version(line.substr(last + 1));
  if (!minor) return std::unexpected(minor.error());
  head.minor = *minor;
  head.target = target;
  if (head.method == "CONNECT") return refused(501, "this server is no proxy: there is no CONNECT");
  if (target == "*" && head.method != "OPTIONS") return refused(400, "the target `*` is for OPTIONS alone");
  if (target == "*" || target.starts_with('/')) return {};
  return read_absolute_target(head);
}

// -- the fields

Checked read_field(std::string_view line, RequestHead& head) {
  if (is_blank(line.front())) {
    return refused(400, "a header field goes on in the next line, which is long out of use (RFC 9112, section 5.2)");
  }
  const auto colon = line.find(':');
  const auto name = line.substr(0, std::min(colon, line.size()));
  if (colon == std::string_view::npos || !is_token(name)) {
    return refused(400, fmt::format("a line of the header is not NAME: VALUE, but begins with `{}`", shown(line)));
  }
  if (head.fields.size() == kHeaderFieldsMax) {
    return refused(431, fmt::format("the request's header has more than {} fields", kHeaderFieldsMax));
  }
  head.fields.emplace_back(lower_case(name), trimmed(line.substr(colon + 1)));
  return {};
}

Checked read_host(RequestHead& head) {
  const auto count = head.count("host");
  if (count > 1) return refused(400, "the request has more than one Host");
  if (count == 0) {
    if (head.minor >= 1) return refused(400, "the request has no Host, which HTTP/1.1 asks for");
    return {};
  }
  const auto host = parse_authority(head.field("host"));
  if (!host) return refused(400, "the request's Host is not a name or an address, with or without a port");
  if (!head.authority) head.authority = host;
  return {};
}

// Transfer-Encoding and Content-Length (RFC 9112, sections 6.1 to 6.3).
Checked read_framing(RequestHead& head) {
  const auto codings = head.count("transfer-encoding");
  const auto lengths = head.count("content-length");
  if (codings > 0 && lengths > 0) {
    return refused(400, "the request has both Transfer-Encoding and Content-Length");
  }
  if (codings > 0) {
    if (head.minor == 0) return refused(400, "Transfer-Encoding is not for HTTP/1.0");
    std::vector<std::string> names;
    for (const auto& [name, value] : head.fields) {
      if (name == "transfer-encoding")
        each_element(value, [&](std::string_view coding) { names.push_back(lower_case(coding)); });
    }
    if (names.back() != "chunked" || std::ranges::count(names, "chunked") != 1) {
      return refused(400, "Transfer-Encoding does not end in `chunked`, said once");
    }
    if (names.size() > 1) {
      return refused(
          501, fmt::format("the transfer coding `{}` is not known here; `chunked` alone is", shown(names.front())));
    }
    head.is_chunked = true;
  }
  if (lengths == 0) return {};
  const auto text = head.field("content-length");
  if (lengths > 1 || !is_number(text) || text.size() > kLengthDigitsMax) {
    return refused(400, "Content-Length is not one number");
  }
  std::uint64_t length = 0;
  std::from_chars(text.data(), text.data() + text.size(), length);
  head.content_length = length;
  return {};
}

Checked read_connection(RequestHead& head) {
  head.keep_alive = !head.lists("connection", "close") && (head.minor >= 1 || head.lists("connection", "keep-alive"));
  if (head.count("expect") == 0 || head.minor == 0) return {};
  const auto expected = lower_case(head.field("expect"));
  if (head.count("expect") != 1 || expected != "100-continue") {
    return refused(417, "the only expectation that is met here is `100-continue`");
  }
  head.expects_continue = head.has_body();
  return {};
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (auto& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::optional<Authority> parse_authority(std::string_view text) {
  Authority authority;
  auto rest = text;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    const auto address = end == std::string_view::npos ? std::nullopt : ipv6(text.substr(1, end - 1));
    if (!address) return std::nullopt;
    authority.host = fmt::format("[{}]", *address);
    rest = text.substr(end + 1);
  } else {
    const auto end = std::min(text.find(':'), text.size());
    if (!is_host_name(text.substr(0, end))) return std::nullopt;
    authority.host = lower_case(text.substr(0, end));
    rest = text.substr(end);
  }
  if (rest.empty()) return authority;
  if (rest.front() != ':') return std::nullopt;
  const auto port = rest.substr(1);
  if (port.empty()) return authority;
  if (!is_number(port) || port.size() > 5 || std::stoul(std::string(port)) > 65535) return std::nullopt;
  authority.port = port;
  return authority;
}

std::string_view RequestHead::field(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, &std::pair<std::string, std::string>::first);
  return found == fields.end() ? std::string_view{} : std::string_view(found->second);
}

std::size_t RequestHead::count(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::count(fields, name, &std::pair<std::string, std::string>::first));
}

bool RequestHead::lists(std::string_view name, std::string_view word) const {
  bool is_there = false;
  for (const auto& [field_name, value] : fields) {
    if (field_name != name) continue;
    each_element(value, [&](std::string_view element) { is_there = is_there || lower_case(element) == word; });
  }
  return is_there;
}

std::expected<std::size_t, Refusal> find_head_end(std::string_view text, std::size_t& looked) {
  for (; looked < text.size(); ++looked) {
    const char c = text[looked];
    if (!is_control(c) || c == '\t') continue;
    if (c != '\r') return refused(400, "the request's header has a control character in it, or a line without CR");
    if (looked + 1 == text.size()) return 0;
    if (text[looked + 1] != '\n') return refused(400, "the request's header has a CR without LF in it");
    ++looked;
    if (looked >= 3 && text[looked - 3] == '\r') return ++looked;
  }
  return 0;
}

std::expected<RequestHead, Refusal> parse_head(std::string_view text) {
  RequestHead head;
  bool is_first = true;
  for (std::size_t at = 0, end = 0; (end = text.find("\r\n", at)) != std::string_view::npos && end != at;
       at = end + 2) {
    const auto line = text.substr(at, end - at);
    const auto read = is_first ? read_request_line(line, head) : read_field(line, head);
    if (!read) return std::unexpected(read.error());
    is_first = false;
  }
  if (is_first) return refused(400, "the request has no first line");
  for (const auto read : {read_host, read_framing, read_connection}) {
    if (const auto done = read(head); !done) return std::unexpected(done.error());
  }
  return head;
}

}  // namespace folkmoot
