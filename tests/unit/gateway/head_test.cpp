// The header of a request, and where its body ends (RFC 9112). What a server must refuse and take, over sockets:
// tests/integration/test_http_conformance.py.
#include "gateway/http/head.hpp"

#include <gtest/gtest.h>

#include "gateway/http/body.hpp"

namespace folkmoot {
namespace {

std::expected<RequestHead, Refusal> read(std::string_view text) {
  std::size_t looked = 0;
  const auto end = find_head_end(text, looked);
  if (!end) return std::unexpected(end.error());
  EXPECT_EQ(*end, text.size());
  return parse_head(text);
}

std::string get(std::string_view fields) { return "GET /a?b HTTP/1.1\r\nHost: x\r\n" + std::string(fields) + "\r\n"; }

TEST(RequestHead, HasWhatItSays) {
  const auto head = read(get("X-Agent: \t planner \r\nACCEPT:\r\nConnection: foo, Close\r\nContent-Length: 12\r\n"));
  ASSERT_TRUE(head);
  EXPECT_EQ(head->method, "GET");
  EXPECT_EQ(head->target, "/a?b");
  EXPECT_EQ(head->field("x-agent"), "planner");
  EXPECT_EQ(head->field("accept"), "");
  EXPECT_EQ(head->count("accept"), 1u);
  EXPECT_EQ(head->count("cookie"), 0u);
  EXPECT_EQ(head->content_length, 12u);
  EXPECT_FALSE(head->keep_alive);
  EXPECT_TRUE(head->lists("connection", "foo"));
  EXPECT_FALSE(head->lists("connection", "fo"));
}

TEST(RequestHead, EndsWithAnEmptyLineHoweverItComes) {
  const auto text = get("X: y\r\n") + "GET";
  std::size_t looked = 0;
  for (std::size_t size = 0; size < text.size() - 3; ++size) {
    const auto end = find_head_end(std::string_view(text).substr(0, size), looked);
    ASSERT_TRUE(end);
    ASSERT_EQ(*end, 0u) << size;
  }
  EXPECT_EQ(*find_head_end(text, looked), text.size() - 3);
}

TEST(RequestHead, RefusesAByteThatNoHeaderHasAtOnce) {
  for (const std::string& text : {std::string("GET / HTTP/1.1\n"), std::string("GET / HTTP/1.1\rH"),
                                  std::string("GET /\0", 6), std::string("GET / HTTP/1.1\r\nX: \x7f")}) {
    std::size_t looked = 0;
    EXPECT_FALSE(find_head_end(text, looked)) << text;
  }
}

TEST(RequestHead, SaysWithWhichStatusItIsRefused) {
  struct Case {
    std::string text;
    int status;
  };
  for (const auto& [text, status] : {
           Case{"GET / HTTP/1.1\r\n\r\n", 400},
           {"\r\n\r\n", 400},
           {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
           {"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 501},
           {"GET https://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 421},
           {get("Transfer-Encoding: gzip, chunked\r\n"), 501},
           {get("Transfer-Encoding: identity\r\n"), 400},
           {get("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"), 400},
           {get("Content-Length: 1\r\nContent-Length: 1\r\n"), 400},
           {get("Expect: more\r\n"), 417},
           {get(" folded: x\r\n"), 400},
       }) {
    const auto head = read(text);
    ASSERT_FALSE(head) << text;
    EXPECT_EQ(head.error().status, status) << text;
    EXPECT_FALSE(head.error().error.text.empty());
  }
}

TEST(RequestHead, OfAnAbsoluteTargetKeepsThePathAndTheHost) {
  const auto head = read("GET http://Other.Example:81/p?q HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->target, "/p?q");
  EXPECT_EQ(head->authority->host, "other.example");
  EXPECT_EQ(head->authority->port, "81");
  EXPECT_EQ(read("OPTIONS http://x HTTP/1.1\r\nHost: x\r\n\r\n")->target, "/");
  EXPECT_EQ(read("GET http://x?q HTTP/1.1\r\nHost: x\r\n\r\n")->target, "/?q");
}

TEST(Authority, IsAHostWithOrWithoutAPort) {
  EXPECT_EQ(parse_authority("LocalHost:80")->host, "localhost");
  EXPECT_EQ(parse_authority("[::1]:80")->host, "[::1]");
  EXPECT_EQ(parse_authority("[::1]:80")->port, "80");
  EXPECT_EQ(parse_authority("a.b-c_d")->port, "");
  for (const std::string_view text :
       {"", ":80", "a b", "a:b", "a:65536", "a:1:2", "::1", "[::1", "[x]", "[::1]a", "a@b", "a%2", "a/b"})
    EXPECT_FALSE(parse_authority(text)) << text;
}

RequestHead chunked() {
  RequestHead head;
  head.is_chunked = true;
  return head;
}

TEST(BodyDecoder, TakesWhatBelongsToTheBodyAndNoMore) {
  RequestHead head;
  head.content_length = 5;
  for (const auto& [framing, text] :
       {std::pair(head, std::string_view("12345next")),
        std::pair(chunked(), std::string_view("2\r\n12\r\n3;x=y\r\n345\r\n0\r\nX: y\r\n\r\nnext"))}) {
    BodyDecoder body(framing);
    std::string out;
    auto rest = text;
    ASSERT_TRUE(body.take(rest, out, 100));
    EXPECT_TRUE(body.is_done());
    EXPECT_EQ(out, "12345");
    EXPECT_EQ(rest, "next");
  }
  std::string_view rest = "next";
  std::string out;
  BodyDecoder none{RequestHead{}};
  EXPECT_TRUE(none.is_done());
  ASSERT_TRUE(none.take(rest, out, 100));
  EXPECT_EQ(rest, "next");
}

TEST(BodyDecoder, GivesNoMoreAtATimeThanItIsAskedFor) {
  BodyDecoder body(chunked());
  std::string_view rest = "8\r\n12345678\r\n0\r\n\r\n";
  std::string out;
  ASSERT_TRUE(body.take(rest, out, 3));
  EXPECT_EQ(out, "123");
  ASSERT_TRUE(body.take(rest, out, 5));
  EXPECT_EQ(out, "12345678");
  EXPECT_TRUE(body.is_done()) << "the end needs no room";
  EXPECT_TRUE(rest.empty());
}

}  // namespace
}  // namespace folkmoot
