// PostgreSQL's library, loaded when a history is kept there. It brings twenty libraries along, which every command of
// the program would load. What is called of it is in one list.
#pragma once

#include <postgresql/libpq-fe.h>

#include "base/error.hpp"

namespace folkmoot {

#define FOLKMOOT_LIBPQ_FUNCTIONS(FUNCTION) \
  FUNCTION(PQconninfoParse)                \
  FUNCTION(PQconninfoFree)                 \
  FUNCTION(PQconnectStartParams)           \
  FUNCTION(PQconnectPoll)                  \
  FUNCTION(PQfinish)                       \
  FUNCTION(PQstatus)                       \
  FUNCTION(PQsocket)                       \
  FUNCTION(PQerrorMessage)                 \
  FUNCTION(PQserverVersion)                \
  FUNCTION(PQsetnonblocking)               \
  FUNCTION(PQsetNoticeReceiver)            \
  FUNCTION(PQsetSingleRowMode)             \
  FUNCTION(PQenterPipelineMode)            \
  FUNCTION(PQexitPipelineMode)             \
  FUNCTION(PQpipelineSync)                 \
  FUNCTION(PQsendQuery)                    \
  FUNCTION(PQsendQueryParams)              \
  FUNCTION(PQsendPrepare)                  \
  FUNCTION(PQsendQueryPrepared)            \
  FUNCTION(PQflush)                        \
  FUNCTION(PQconsumeInput)                 \
  FUNCTION(PQisBusy)                       \
  FUNCTION(PQgetResult)                    \
  FUNCTION(PQclear)                        \
  FUNCTION(PQresultStatus)                 \
  FUNCTION(PQresultErrorField)             \
  FUNCTION(PQresultErrorMessage)           \
  FUNCTION(PQcmdStatus)                    \
  FUNCTION(PQcmdTuples)                    \
  FUNCTION(PQntuples)                      \
  FUNCTION(PQftype)                        \
  FUNCTION(PQgetisnull)                    \
  FUNCTION(PQgetlength)                    \
  FUNCTION(PQgetvalue)

struct LibPq {
#define FUNCTION(name) decltype(&::name) name = nullptr;
  FOLKMOOT_LIBPQ_FUNCTIONS(FUNCTION)
#undef FUNCTION

  /// One for the program; it stays. Errors: io_error, naming the library or what it lacks.
  static Result<const LibPq*> load();
};

}  // namespace folkmoot
