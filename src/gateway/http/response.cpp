#include "gateway/http/response.hpp"

#include <fmt/chrono.h>

#include <boost/beast/http/status.hpp>

#include "gateway/http/pages.hpp"
#include "gateway/limits.hpp"
#include "message/compression.hpp"
#include "message/json_document.hpp"
#include "message/json_writer.hpp"

namespace folkmoot {
namespace {

std::string_view reason(int status) {
  if (status == 422) return "Unprocessable Content";  // as RFC 9110 calls it
  if (status == 499) return "Client Closed Request";
  const auto text = beast::http::obsolete_reason(static_cast<beast::http::status>(status));
  return {text.data(), text.size()};
}

// Of this second (RFC 9110, section 6.6.1).
std::string_view date() {
  thread_local std::time_t at = 0;
  thread_local std::string text;
  const auto now = std::time(nullptr);
  if (now != at || text.empty()) {
    at = now;
    text = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(now));
  }
  return text;
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::string head_text(const GatewayOptions& options, const Answer& answer, const RequestHead* request, BodyEnd end,
                      bool keep_alive) {
  const int minor = request ? request->minor : 1;
  std::string out;
  out.reserve(512);
  out.append(minor == 0 ? "HTTP/1.0 " : "HTTP/1.1 ").append(std::to_string(answer.status)).append(" ");
  out.append(reason(answer.status)).append("\r\n");
  append_field(out, "Server", options.software);
  append_field(out, "Date", date());
  if (!answer.content_type.empty()) append_field(out, "Content-Type", answer.content_type);
  append_field(out, "Cache-Control", "no-store");
  for (const auto& [name, value] : answer.headers) append_field(out, name, value);
  const auto origin = allowed_origin(options, request ? request->field("origin") : std::string_view{});
  if (!origin.empty()) {
    append_field(out, "Access-Control-Allow-Origin", origin);
    if (origin != "*") append_field(out, "Vary", "Origin");
  }
  if (keep_alive && minor == 0) append_field(out, "Connection", "keep-alive");
  if (!keep_alive && minor != 0) append_field(out, "Connection", "close");
  if (end.length) append_field(out, "Content-Length", std::to_string(*end.length));
  if (end.is_chunked) append_field(out, "Transfer-Encoding", "chunked");
  return out.append("\r\n");
}

// An error as RFC 9457 has it, with our own words beside: for who asks for it.
static Answer as_problem(const Answer& refused) {
  JsonDocument document;
  const auto said = document.parse(refused.body);
  std::string_view text;
  if (!said || !said->is_object() || said->at_key("error").get(text)) return refused;
  Answer problem = refused;
  problem.content_type = kProblemType;
  problem.body.clear();
  JsonWriter json(problem.body);
  json.begin_object().field("type", "about:blank").field("title", reason(refused.status));
  json.field("status", refused.status).field("detail", text);
  for (const auto [name, value] : simdjson::dom::object(*said)) json.key(name).raw(json_of(value));
  json.end_object();
  problem.body += '\n';
  return problem;
}

// Whether the client takes gzip, and wants it as much as anything else (RFC 9110, section 12.5.3).
static bool takes_gzip(const RequestHead& request) {
  const auto accepted = lower_case(request.field("accept-encoding"));
  for (std::size_t at = 0; at < accepted.size();) {
    const auto end = std::min(accepted.find(',', at), accepted.size());
    auto each = std::string_view(accepted).substr(at, end - at);
    at = end + 1;
    while (each.starts_with(' ') || each.starts_with('\t')) each.remove_prefix(1);
    const auto name = each.substr(0, each.find_first_of("; \t"));
    if (name != "gzip" && name != "x-gzip") continue;
    // `q=0`, with as many zeros behind the point as one likes, says that it is not.
    const auto weight = each.find("q=");
    return weight == std::string_view::npos || each.find_first_of("123456789", weight) != std::string_view::npos;
  }
  return false;
}

// Compressed, if the client takes that and it becomes shorter. Contents that are streamed go as they are.
static void pack(Answer& answer, const RequestHead& request) {
  if (answer.body.size() < kPackedAnswerBytesMin || answer.content_type.empty()) return;
  answer.headers.emplace_back("Vary", "Accept-Encoding");
  if (!takes_gzip(request)) return;
  auto packed = compress(kGzip, as_bytes(answer.body));
  if (!packed || packed->size() >= answer.body.size()) return;
  answer.body = std::move(*packed);
  answer.headers.emplace_back("Content-Encoding", kGzip);
}

std::string answer_text(const GatewayOptions& options, const Answer& told, const RequestHead* request,
                        bool keep_alive) {
  const bool wants_problem =
      told.status >= 400 && request != nullptr && lower_case(request->field("accept")).contains(kProblemType);
  const bool is_packed = request != nullptr && told.body.size() >= kPackedAnswerBytesMin;
  Answer made = wants_problem ? as_problem(told) : is_packed ? told : Answer{};
  if (is_packed) pack(made, *request);
  const Answer& answer = wants_problem || is_packed ? made : told;
  const bool is_head = request != nullptr && request->method == "HEAD";
  const bool has_none = answer.status == 204 || answer.status == 304;
  // To HEAD the length is said only as it would be of GET (RFC 9110, section 8.6).
  BodyEnd end;
  if (!has_none && !(is_head && answer.body.empty())) end.length = answer.body.size();
  auto text = head_text(options, answer, request, end, keep_alive);
  if (!is_head && !has_none) text.append(answer.body);
  return text;
}

}  // namespace folkmoot
