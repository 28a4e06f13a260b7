/** All conformance cases, in the order in which they are best read. @module */

import type { ConformanceCase } from "../case.ts";
import { attemptCases } from "./attempts.ts";
import { badInputCases } from "./bad_input.ts";
import { batchCases } from "./batches.ts";
import { breakerCases } from "./breaker.ts";
import { breakerOutageCases } from "./breaker_outages.ts";
import { breakerProbeCases } from "./breaker_probes.ts";
import { breakerTraceCases } from "./breaker_traces.ts";
import { capacityCases } from "./capacity.ts";
import { changeCases } from "./changes.ts";
import { concurrencyCases } from "./concurrency.ts";
import { coordinatorCases } from "./coordinator.ts";
import { costCases } from "./cost.ts";
import { deadLetterCases } from "./dead_letters.ts";
import { dedupeCases } from "./dedupe.ts";
import { delayCases } from "./delays.ts";
import { durabilityCases } from "./durability.ts";
import { exchangeCases } from "./exchanges.ts";
import { expiryCases } from "./expiry.ts";
import { hostileCases } from "./hostile.ts";
import { isolationCases } from "./isolation.ts";
import { leaseCases } from "./leases.ts";
import { lifecycleCases } from "./lifecycle.ts";
import { listCases } from "./lists.ts";
import { listenCases } from "./listen.ts";
import { memoryCases } from "./memory.ts";
import { memoryParityCases } from "./memory_parity.ts";
import { memorySearchCases } from "./memory_search.ts";
import { orderCases } from "./order.ts";
import { outageCases } from "./outages.ts";
import { recordCases } from "./records.ts";
import { registryCases } from "./registry.ts";
import { registryLivenessCases } from "./registry_liveness.ts";
import { registryStateCases } from "./registry_state.ts";
import { registryWatchCases } from "./registry_watch.ts";
import { retryBudgetCases } from "./retry_budget.ts";
import { viewCases } from "./views.ts";
import { workerCases } from "./worker.ts";

/** Every case of the suite. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...lifecycleCases,
  ...recordCases,
  ...listCases,
  ...expiryCases,
  ...changeCases,
  ...batchCases,
  ...orderCases,
  ...leaseCases,
  ...attemptCases,
  ...delayCases,
  ...dedupeCases,
  ...capacityCases,
  ...deadLetterCases,
  ...viewCases,
  ...listenCases,
  ...hostileCases,
  ...badInputCases,
  ...concurrencyCases,
  ...costCases,
  ...isolationCases,
  ...durabilityCases,
  ...outageCases,
  ...coordinatorCases,
  ...exchangeCases,
  ...workerCases,
  ...breakerCases,
  ...breakerProbeCases,
  ...breakerOutageCases,
  ...breakerTraceCases,
  ...retryBudgetCases,
  ...registryCases,
  ...registryLivenessCases,
  ...registryStateCases,
  ...registryWatchCases,
  ...memoryCases,
  ...memorySearchCases,
  ...memoryParityCases,
];
