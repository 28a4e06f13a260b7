/** How many lines and branches of each file no test runs for certain: what is yet to be tested. It only ever shrinks. @module */

/** By path; whatever is not named here owes nothing. */
export const COVERAGE_DEBTS: Readonly<Record<string, number>> = {
  // A synchronisation that another one has to wait for.
  "backends/composite/switch.ts": 1,
  // Sockets in the file system, which the client takes from PGHOST alone.
  "backends/postgres/driver.ts": 1,
};
