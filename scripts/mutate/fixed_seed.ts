/** Loaded before the tests of a mutant: property tests draw the same values each time, so that luck kills nothing. @module */

import fc from "fast-check";

fc.configureGlobal({ seed: 20_251 });
