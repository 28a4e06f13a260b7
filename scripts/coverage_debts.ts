/** How many lines and branches of each file no test runs for certain: what is yet to be tested. It only ever shrinks. @module */

/** By path; whatever is not named here owes nothing. */
export const COVERAGE_DEBTS: Readonly<Record<string, number>> = {
  // A suspicion that is told again in the page in which it began.
  "src/agents/watch.ts": 1,
  // A call that is refused after its probe was overtaken four times in a row.
  "src/resilience/breaker_gate.ts": 2,
  // Batches that are too long for their marks, and a synchronisation that another one has to wait for.
  "backends/composite/journal.ts": 4,
  "backends/composite/switch.ts": 3,
  // A queue that is due again at every look.
  "backends/postgres/claims.ts": 1,
  // Sockets in the file system, and a connection that is lost while a transaction is given up.
  "backends/postgres/driver.ts": 4,
  // Two processes that send the same id at the same moment.
  "backends/postgres/express.ts": 1,
  // A message that leaves its queue between two reads of one listing.
  "backends/postgres/reads.ts": 1,
  // A server that does not say in time whether it listens.
  "backends/postgres/wakeups.ts": 1,
  // A connection that was moved from while it still waited for answers.
  "backends/redis/link.ts": 1,
  // An error that is none of this library's, of a call among others.
  "backends/sqlite.ts": 1,
};
