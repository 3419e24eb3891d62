// A private authority and what it issues (crypto/certificates.hpp), and the files of keys (crypto/files.hpp).
#include "crypto/certificates.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "crypto/files.hpp"

namespace folkmoot {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

CertificateFacts facts(std::string_view pem) { return describe_certificates(pem)->front(); }

TEST(Certificates, U13_an_authority_signs_itself) {
  for (const auto kind : {KeyKind::p256, KeyKind::ed25519}) {
    const auto made = make_authority("an authority", kind, 100);
    ASSERT_TRUE(made);
    const auto said = facts(made->certificate);
    EXPECT_TRUE(said.is_authority);
    EXPECT_EQ(said.subject, said.issuer);
    EXPECT_NE(said.subject.find("an authority"), std::string::npos);
    EXPECT_EQ(said.key, kind == KeyKind::p256 ? "P-256" : "Ed25519");
    EXPECT_NEAR(static_cast<double>(said.valid_until), static_cast<double>(now_ms() + 100 * kDayMs), 10'000.0);
    EXPECT_LT(said.valid_from, now_ms()) << "clocks that are behind";
  }
}

TEST(Certificates, U13_a_certificate_says_for_what_it_is) {
  const auto authority = *make_authority("test", KeyKind::p256, 10);
  const auto made = issue_certificate(authority, KeyKind::p256,
                                      {.hosts = {"bus.example", "*.example", "10.0.0.7", "::1"}, .agent = "größe/1"});
  ASSERT_TRUE(made);
  const auto said = facts(made->certificate);
  EXPECT_EQ(said.hosts, (std::vector<std::string>{"bus.example", "*.example", "10.0.0.7", "::1"}));
  EXPECT_EQ(said.agent, "größe/1");
  EXPECT_FALSE(said.is_authority);
  EXPECT_EQ(said.fingerprint.size(), 64u);
  EXPECT_NE(said.fingerprint, facts(authority.certificate).fingerprint);
}

TEST(Certificates, U13_what_cannot_be_is_refused) {
  const auto authority = *make_authority("test", KeyKind::p256, 10);
  const auto code = [&](const WantedCertificate& wanted) {
    const auto made = issue_certificate(authority, KeyKind::p256, wanted);
    return made ? ErrorCode{} : made.error().code;
  };
  EXPECT_EQ(code({}), ErrorCode::invalid_field);
  EXPECT_EQ(code({.hosts = {"a b"}}), ErrorCode::invalid_field);
  EXPECT_EQ(code({.hosts = {"a,IP:1.2.3.4"}}), ErrorCode::invalid_field);
  EXPECT_EQ(code({.hosts = {std::string(254, 'a')}}), ErrorCode::invalid_field);
  EXPECT_EQ(code({.hosts = std::vector<std::string>(65, "a")}), ErrorCode::out_of_range);
  EXPECT_EQ(code({.agent = "a\nb"}), ErrorCode::invalid_name);
  EXPECT_EQ(code({.agent = std::string(256, 'a')}), ErrorCode::invalid_name);
  EXPECT_EQ(code({.agent = "a", .days = 0}), ErrorCode::out_of_range);
  EXPECT_EQ(code({.agent = "a", .days = kCertificateDaysMax + 1}), ErrorCode::out_of_range);
  EXPECT_FALSE(make_authority("", KeyKind::p256, 10));
  const auto leaf = *issue_certificate(authority, KeyKind::p256, {.agent = "a"});
  EXPECT_EQ(issue_certificate(leaf, KeyKind::p256, {.agent = "b"}).error().code, ErrorCode::invalid_field);
  EXPECT_EQ(issue_certificate({authority.certificate, leaf.key}, KeyKind::p256, {.agent = "b"}).error().code,
            ErrorCode::invalid_field);
  EXPECT_EQ(issue_certificate({"x", "y"}, KeyKind::p256, {.agent = "b"}).error().code, ErrorCode::malformed);
}

TEST(Certificates, U13_one_is_renewed_by_its_own_authority_alone) {
  const auto authority = *make_authority("test", KeyKind::p256, 10), other = *make_authority("test", KeyKind::p256, 10);
  const auto made = *issue_certificate(authority, KeyKind::ed25519, {.hosts = {"h"}, .agent = "ann", .days = 5});
  const auto renewed = renew_certificate(authority, made.certificate, 50);
  ASSERT_TRUE(renewed);
  const auto before = facts(made.certificate), after = facts(*renewed);
  EXPECT_EQ(after.hosts, before.hosts);
  EXPECT_EQ(after.agent, before.agent);
  EXPECT_EQ(after.key, before.key);
  EXPECT_NEAR(static_cast<double>(after.valid_until - before.valid_until), 45.0 * kDayMs, 10'000.0);
  EXPECT_EQ(renew_certificate(other, made.certificate, 50).error().code, ErrorCode::invalid_field);
}

TEST(Certificates, U13_what_is_no_certificate_is_not_described) {
  EXPECT_EQ(describe_certificates("").error().code, ErrorCode::malformed);
  EXPECT_EQ(describe_certificates("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").error().code,
            ErrorCode::malformed);
  const auto one = make_authority("one", KeyKind::p256, 1)->certificate,
             two = make_authority("two", KeyKind::p256, 1)->certificate;
  EXPECT_EQ(describe_certificates(one + "# between\n" + two)->size(), 2u);
}

TEST(KeyFiles, U13_a_secret_is_its_owners_alone_and_nothing_is_overwritten) {
  auto pattern = (std::filesystem::temp_directory_path() / "folkmoot-keys-XXXXXX").string();
  const std::string folder = ::mkdtemp(pattern.data());
  const auto path = folder + "/key.pem";
  ASSERT_TRUE(write_new_file(path, "secret", FileFor::owner));
  struct stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0600u);
  EXPECT_EQ(write_new_file(path, "other", FileFor::owner).error().code, ErrorCode::already_exists);
  EXPECT_EQ(*read_key_file(path), "secret");
  ASSERT_TRUE(replace_file(path, "next", FileFor::owner));
  EXPECT_EQ(*read_key_file(path), "next");
  EXPECT_EQ(read_key_file(folder).error().code, ErrorCode::io_error);
  EXPECT_EQ(read_key_file(folder + "/none").error().code, ErrorCode::io_error);
  ASSERT_TRUE(write_new_file(folder + "/large", std::string(kKeyFileBytesMax + 1, 'x'), FileFor::owner));
  EXPECT_EQ(read_key_file(folder + "/large").error().code, ErrorCode::out_of_range);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace folkmoot
