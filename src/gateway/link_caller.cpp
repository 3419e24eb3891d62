#include "gateway/link_caller.hpp"

#include "message/operations.hpp"

namespace folkmoot {
namespace {

constexpr std::chrono::seconds kGreetTimeout{30};
constexpr std::size_t kNoLimit = std::size_t{1} << 31;  // frames of our own server

}  // namespace

LinkCaller::LinkCaller(const Context& context, asio::any_io_executor strand, LinkOrigin origin)
    : context_(context), strand_(strand), origin_(std::move(origin)), wakeup_(std::make_shared<Wakeup>(strand)) {}

LinkCaller::~LinkCaller() { drop_link(); }

Result<void> LinkCaller::open(std::string_view token, std::string_view agent) {
  if (link_ && (link_->closed() || token_ != token || agent_ != agent)) drop_link();
  if (link_) return {};
  link_ = context_.hub.connect(DoorKind::http, kLinkInboxBytesMax, notifier(context_, strand_, wakeup_));
  if (!link_) return failure(ErrorCode::shutting_down, "the server is stopping");
  link_->origin = origin_;
  token_ = token;
  agent_ = agent;
  std::string frames;
  hello_ = number();
  append_hello(frames, hello_, {.agent = agent_, .token = token_, .software = "http"});
  link_->send(frames);
  return {};
}

asio::awaitable<Result<void>> LinkCaller::greet(std::string_view token, std::string_view agent) {
  if (auto opened = open(token, agent); !opened) co_return opened;
  if (hello_ == 0) co_return Result<void>{};
  auto welcome = co_await next(hello_, hello_, Clock::now() + kGreetTimeout);
  if (!welcome) co_return std::unexpected(std::move(welcome.error()));
  co_return Result<void>{};
}

asio::awaitable<Result<void>> LinkCaller::send(std::string frames) {
  while (link_ && !link_->send(frames)) {
    if (interrupted_) co_return std::unexpected(*interrupted_);
    if (link_->closed()) co_return Result<void>{};  // next() reads the server's last words
    co_await wakeup_->wait();
  }
  co_return Result<void>{};
}

asio::awaitable<Result<Frame>> LinkCaller::next(std::uint32_t first, std::uint32_t last, Clock::time_point deadline,
                                                bool in_spite) {
  for (;;) {
    while (!rest_.empty()) {
      const auto cut = cut_frame(rest_, kNoLimit);
      if (!cut || !*cut) break;
      const Frame frame = **cut;
      if (frame.header.opcode == Opcode::goodbye) {
        auto why = read_error(frame);
        drop_link();
        if (!why) co_return std::unexpected(why.error());
        co_return std::unexpected(*why);
      }
      if (frame.header.request == hello_) hello_ = 0;
      if (frame.header.request >= first && frame.header.request <= last) co_return frame;
    }
    if (!link_) co_return failure(ErrorCode::connection_lost, "the server ended the connection");
    const bool was_closed = link_->closed();
    taken_ = link_->take();
    rest_ = as_bytes(taken_);
    if (!taken_.empty()) continue;
    if (was_closed) {
      drop_link();
      continue;
    }
    if (interrupted_ && !in_spite) co_return std::unexpected(*interrupted_);
    if (Clock::now() >= deadline)
      co_return failure(ErrorCode::timed_out, "the server did not answer in time",
                        "it is overloaded; what was asked may be done or not");
    co_await wakeup_->wait(deadline);
  }
}

asio::awaitable<Result<Frame>> LinkCaller::answer(std::uint32_t request, Clock::time_point deadline) {
  auto frame = co_await next(request, request, deadline);
  if (frame && frame->header.opcode == Opcode::error) {
    auto error = read_error(*frame);
    if (!error) co_return std::unexpected(error.error());
    co_return std::unexpected(*error);
  }
  co_return frame;
}

void LinkCaller::interrupt(Error why) {
  interrupted_ = std::move(why);
  wakeup_->notify();
}

void LinkCaller::drop_link() {
  if (link_) link_->close();
  link_.reset();
  hello_ = 0;
  rest_ = {};
}

}  // namespace folkmoot
