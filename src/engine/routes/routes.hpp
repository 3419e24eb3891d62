// Rules that find a recipient for a message that names none (A24): by order, the first whose filter holds and one of
// whose targets can take the message. Kept as facts.
#pragma once

#include <functional>
#include <vector>

#include "engine/commands.hpp"
#include "engine/ledger.hpp"
#include "engine/loads.hpp"
#include "engine/names.hpp"
#include "engine/part.hpp"
#include "engine/replies.hpp"
#include "engine/route.hpp"
#include "engine/router.hpp"
#include "engine/run.hpp"
#include "engine/vacancies.hpp"
#include "filter/filter_input.hpp"

namespace folkmoot {

class Census;

class Routes final : public PlainPart, public Router {
 public:
  Routes(const EngineOptions& options, Run& run, Ledger& ledger, Names& names, Replies& replies, Vacancies& vacancies,
         Loads& loads)
      : options_(options),
        run_(run),
        ledger_(ledger),
        names_(names),
        replies_(replies),
        vacancies_(vacancies),
        loads_(loads) {}

  /// In the place of one of the same name. Errors: invalid_filter, invalid_field, invalid_name, out_of_range,
  /// limit_reached, disk_full.
  void set(Asker caller, const RouteCommand& command);
  void remove(Asker caller, std::string_view name);
  void each(const std::function<void(const Route&)>& each) const;

  Result<void> find_route(Prepared& prepared) override;

  Result<void> enter(const Fact& fact) override;
  bool keep(const Fact& fact) override;
  /// What is in its tables now (engine/census.cpp).
  void count(Census& census) const;

 private:
  struct Candidate {
    std::size_t target = 0;
    NameId name_id = 0;
  };

  // Takes the place of one of the same name; `place`: of its fact.
  void put(Route route, FactPlace place);
  // False if there is none of that name.
  bool forget(std::string_view name);
  std::size_t choose(Route& route, const std::vector<Candidate>& able, const FilterInput& message);
  // What waits and is leased there, and what was reported of it besides.
  double load_of(NameId name_id);

  const EngineOptions& options_;
  Run& run_;
  Ledger& ledger_;
  Names& names_;
  Replies& replies_;
  Vacancies& vacancies_;
  std::vector<Route> routes_;  // by order, then name
  Loads& loads_;
};

}  // namespace folkmoot
