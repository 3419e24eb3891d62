#include "server/operations/call.hpp"

namespace folkmoot {

Result<void> carry_out(const Call& call, const ReportLoad& arguments) {
  call.engine.report_load(call.session, call.request, arguments.agent, arguments.load);
  return {};
}

}  // namespace folkmoot
