// What is measured; each workload prints nothing and returns its figures.
#pragma once

#include "load.hpp"

namespace folkmoot::bench {

Report run_pubsub(const Options& options);   // publishers -> subscribers, lossless by flow control
Report run_request(const Options& options);  // one client, one responder, one request at a time
Report run_durable(const Options& options);  // publish with confirms, then consume with one ack each
Report run_stream(const Options& options);   // append with confirms, then read all from the beginning
Report run_fill(const Options& options);     // the publishing half of it, by count, and what the server then holds
Report run_ready(const Options& options);    // waits until a (re)started server shows `messages` and hands one out
Report run_agents(const Options& options);   // many connections, each with one durable message in flight, or paced
Report run_idle(const Options& options);     // many connections that wait

Report run_reference_tcp(const Options& options);  // ping-pong between two threads
Report run_reference_unix(const Options& options);
Report run_reference_relay(const Options& options);  // one thread that reads and writes what it is given
Report run_reference_disk(const Options& options);   // append 4 KiB, fdatasync

}  // namespace folkmoot::bench
