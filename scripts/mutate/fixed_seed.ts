/**
 * Loaded before the tests of a mutant: property tests draw the same values each time, so that luck kills nothing, and look
 * for no smaller counterexample, which takes longer than all the rest.
 *
 * @module
 */

import fc from "fast-check";

fc.configureGlobal({ seed: 20_251, endOnFailure: true });
