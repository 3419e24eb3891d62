// Everything of libfolkmoot. Start at client.hpp (coroutines, callbacks, futures) or sync.hpp (calls that wait).
#pragma once

#include "folkmoot/client.hpp"       // IWYU pragma: export
#include "folkmoot/client_pool.hpp"  // IWYU pragma: export
#include "folkmoot/content.hpp"      // IWYU pragma: export
#include "folkmoot/delivery.hpp"     // IWYU pragma: export
#include "folkmoot/error.hpp"        // IWYU pragma: export
#include "folkmoot/failure.hpp"      // IWYU pragma: export
#include "folkmoot/keys.hpp"         // IWYU pragma: export
#include "folkmoot/known_keys.hpp"   // IWYU pragma: export
#include "folkmoot/message.hpp"      // IWYU pragma: export
#include "folkmoot/operations.hpp"   // IWYU pragma: export
#include "folkmoot/options.hpp"      // IWYU pragma: export
#include "folkmoot/sealing.hpp"      // IWYU pragma: export
#include "folkmoot/signing.hpp"      // IWYU pragma: export
#include "folkmoot/sync.hpp"         // IWYU pragma: export
#include "folkmoot/uuid.hpp"         // IWYU pragma: export
