// What the machine can do with no broker in between: the scale on which every other figure is read.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "workloads.hpp"

namespace folkmoot::bench {
namespace {

struct Pair {
  int near = -1;
  int far = -1;
};

/// Two ends of a connection over 127.0.0.1.
Pair tcp_pair() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    fail("cannot listen on 127.0.0.1");
  }
  Options options;
  options.port = ntohs(address.sin_port);
  Pair pair;
  pair.near = connect_to(options);
  pair.far = accept(listener, nullptr, nullptr);
  const int on = 1;
  setsockopt(pair.far, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  close(listener);
  return pair;
}

Pair unix_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) fail("cannot make a socket pair");
  return {ends[0], ends[1]};
}

Report ping_pong(const Options& options, Pair pair) {
  const std::size_t bytes = options.content_bytes;
  const auto read_exactly = [bytes](int fd, std::string& into) {
    for (std::size_t have = 0; have < bytes;) {
      const auto got = read_some(fd, into.data() + have, bytes - have);
      if (got == 0) return false;
      have += got;
    }
    return true;
  };
  std::thread echo = start_thread([&] {
    std::string message(bytes, '\0');
    while (read_exactly(pair.far, message)) write_all(pair.far, message);
  });
  std::string message(bytes, 'x');
  const auto ask = [&] {
    const auto sent = now_ns();
    write_all(pair.near, message);
    read_exactly(pair.near, message);
    return now_ns() - sent;
  };
  for (const auto warm = now_ns() + static_cast<std::uint64_t>(options.warm_up_seconds * 1e9); now_ns() < warm;) ask();
  Histogram latencies;
  for (const auto end = now_ns() + static_cast<std::uint64_t>(options.seconds * 1e9); now_ns() < end;)
    latencies.add(ask());
  shutdown(pair.near, SHUT_RDWR);
  echo.join();
  close(pair.near);
  close(pair.far);
  Report report;
  report.add(latencies);
  return report;
}

double thread_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

}  // namespace

Report run_reference_tcp(const Options& options) { return ping_pong(options, tcp_pair()); }
Report run_reference_unix(const Options& options) { return ping_pong(options, unix_pair()); }

Report run_reference_relay(const Options& options) {
  // A frame of the relay is a length and the content, as small as a message can be.
  const std::size_t frame_bytes = options.content_bytes + 4;
  const Pair in = tcp_pair();
  const Pair out = tcp_pair();
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> bytes_read{0};
  double relay_cpu = 0;
  std::uint64_t relayed = 0;
  std::thread reader = start_thread([&] {
    std::vector<char> buffer(256 << 10);
    while (const auto got = read_some(out.near, buffer.data(), buffer.size())) bytes_read += got;
  });
  std::thread relay = start_thread([&] {
    std::vector<char> buffer(256 << 10);
    while (const auto got = read_some(in.far, buffer.data(), buffer.size())) {
      write_all(out.far, {buffer.data(), got});
      relayed += got;
    }
    relay_cpu = thread_cpu_seconds();
    shutdown(out.far, SHUT_WR);
  });
  std::thread writer = start_thread([&] {
    const std::string batch(std::max<std::size_t>(1, (64 << 10) / frame_bytes) * frame_bytes, 'x');
    while (!stop) write_all(in.near, batch);
    shutdown(in.near, SHUT_WR);
  });
  std::this_thread::sleep_for(std::chrono::duration<double>(options.warm_up_seconds));
  const auto before = bytes_read.load();
  const auto started = now_ns();
  std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
  const auto bytes = bytes_read.load() - before;
  const double seconds = static_cast<double>(now_ns() - started) / 1e9;
  stop = true;
  writer.join();
  relay.join();
  reader.join();
  for (const int fd : {in.near, in.far, out.near, out.far}) close(fd);
  const auto frame = static_cast<double>(frame_bytes);
  Report report;
  report.add("rate", static_cast<double>(bytes) / frame / seconds);
  report.add("cpu_s_per_m", relay_cpu / (static_cast<double>(relayed) / frame) * 1e6);
  return report;
}

Report run_reference_disk(const Options& options) {
  const auto path = std::filesystem::path(options.directory) / ("folkmoot-load-" + std::to_string(getpid()));
  const int fd = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) fail("cannot write in " + options.directory + ": " + std::strerror(errno));
  const std::string block(4096, 'x');
  Histogram latencies;
  for (const auto end = now_ns() + static_cast<std::uint64_t>(options.seconds * 1e9); now_ns() < end;) {
    const auto started = now_ns();
    if (write(fd, block.data(), block.size()) != static_cast<ssize_t>(block.size()) || fdatasync(fd) != 0) {
      fail("cannot write " + path.string() + ": " + std::strerror(errno));
    }
    latencies.add(now_ns() - started);
  }
  close(fd);
  std::filesystem::remove(path);
  Report report;
  report.add(latencies);
  return report;
}

}  // namespace folkmoot::bench
