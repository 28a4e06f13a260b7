/** How many lines and branches of each file no test runs for certain: what is yet to be tested. It only ever shrinks. @module */

/** By path; whatever is not named here owes nothing. */
export const COVERAGE_DEBTS: Readonly<Record<string, number>> = {};
