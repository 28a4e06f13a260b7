/** The Porter stemmer: English words without their endings, so that "connected" finds "connection". @module */

import { requireString } from "../check.ts";

/**
 * The stem of a lower-case English word, by M. F. Porter, "An algorithm for suffix stripping" (1980), with the two
 * changes of its author: `-bli` becomes `-ble`, `-logi` becomes `-log`. What is no word of the letters a to z, or
 * shorter than three of them, stays as it is.
 *
 * @example
 * ```ts
 * import { porterStem } from "@tta/agent-coordination";
 *
 * console.log(porterStem("connections"), porterStem("relational")); // connect relat
 * ```
 *
 * @throws {TypeError} When it is no string.
 */
export function porterStem(word: string): string {
  requireString("word", word, 0, Infinity);
  if (word.length < 3 || !/^[a-z]+$/.test(word)) return word;
  const plain = withoutParticiple(withoutPlural(word));
  const withI = plain.endsWith("y") && hasVowel(plain.slice(0, -1)) ? `${plain.slice(0, -1)}i` : plain;
  return withoutFinalE(withoutResidue(replaceSuffix(replaceSuffix(withI, STEP_2, 0), STEP_3, 0)));
}

const VOWELS = "aeiou";

type Suffixes = readonly (readonly [suffix: string, replacement: string])[];

// The longest suffix that fits is the one that counts, so that longer ones stand before those that they end with.
const STEP_2: Suffixes = [
  ["ational", "ate"],
  ["tional", "tion"],
  ["enci", "ence"],
  ["anci", "ance"],
  ["izer", "ize"],
  ["bli", "ble"],
  ["alli", "al"],
  ["entli", "ent"],
  ["eli", "e"],
  ["ousli", "ous"],
  ["ization", "ize"],
  ["ation", "ate"],
  ["ator", "ate"],
  ["alism", "al"],
  ["iveness", "ive"],
  ["fulness", "ful"],
  ["ousness", "ous"],
  ["aliti", "al"],
  ["iviti", "ive"],
  ["biliti", "ble"],
  ["logi", "log"],
];

const STEP_3: Suffixes = [
  ["icate", "ic"],
  ["ative", ""],
  ["alize", "al"],
  ["iciti", "ic"],
  ["ical", "ic"],
  ["ful", ""],
  ["ness", ""],
];

const STEP_4: Suffixes = [
  "al",
  "ance",
  "ence",
  "er",
  "ic",
  "able",
  "ible",
  "ant",
  "ement",
  "ment",
  "ent",
  "ou",
  "ism",
  "ate",
  "iti",
  "ous",
  "ive",
  "ize",
].map((suffix) => [suffix, ""]);

/** Step 1a. */
function withoutPlural(word: string): string {
  if (word.endsWith("sses") || word.endsWith("ies")) return word.slice(0, -2);
  return word.endsWith("s") && !word.endsWith("ss") ? word.slice(0, -1) : word;
}

/** Step 1b. */
function withoutParticiple(word: string): string {
  if (word.endsWith("eed")) return measure(word.slice(0, -3)) > 0 ? word.slice(0, -1) : word;
  const suffix = ["ed", "ing"].find((each) => word.endsWith(each));
  if (suffix === undefined) return word;
  const stem = word.slice(0, -suffix.length);
  if (!hasVowel(stem)) return word;
  if (/(?:at|bl|iz)$/.test(stem)) return `${stem}e`;
  if (endsWithDoubleConsonant(stem) && !/[lsz]$/.test(stem)) return stem.slice(0, -1);
  return measure(stem) === 1 && endsShort(stem) ? `${stem}e` : stem;
}

/** Steps 2, 3 and 4: the suffix goes where what stays is long enough. */
function replaceSuffix(word: string, suffixes: Suffixes, minMeasure: number): string {
  for (const [suffix, replacement] of suffixes) {
    if (!word.endsWith(suffix)) continue;
    const stem = word.slice(0, -suffix.length);
    return measure(stem) > minMeasure ? stem + replacement : word;
  }
  return word;
}

/** Step 4. */
function withoutResidue(word: string): string {
  if (/[st]ion$/.test(word)) return measure(word.slice(0, -3)) > 1 ? word.slice(0, -3) : word;
  return replaceSuffix(word, STEP_4, 1);
}

/** Step 5. */
function withoutFinalE(word: string): string {
  let stem = word;
  if (word.endsWith("e")) {
    const rest = word.slice(0, -1);
    const size = measure(rest);
    if (size > 1 || (size === 1 && !endsShort(rest))) stem = rest;
  }
  return stem.endsWith("ll") && measure(stem) > 1 ? stem.slice(0, -1) : stem;
}

/** How many times vowels are followed by consonants. */
function measure(word: string): number {
  let count = 0;
  let afterConsonant = false;
  for (let index = 0; index < word.length; index++) {
    const letter = word.charAt(index);
    const consonant: boolean = letter === "y" ? !afterConsonant : !VOWELS.includes(letter);
    if (consonant && !afterConsonant && index > 0) count++;
    afterConsonant = consonant;
  }
  return count;
}

/** `y` is a vowel behind a consonant. */
function isConsonant(word: string, index: number): boolean {
  let inverted = false;
  for (let at = index; at >= 0; at--) {
    const letter = word.charAt(at);
    if (letter !== "y") return !VOWELS.includes(letter) !== inverted;
    // A run of y alternates; at the start of a word it is a consonant.
    inverted = !inverted;
  }
  return inverted;
}

function hasVowel(word: string): boolean {
  for (let index = 0; index < word.length; index++) if (!isConsonant(word, index)) return true;
  return false;
}

function endsWithDoubleConsonant(word: string): boolean {
  const last = word.length - 1;
  return last > 0 && word[last] === word[last - 1] && isConsonant(word, last);
}

/** Consonant, vowel, consonant other than w, x, y: as in "hop". */
function endsShort(word: string): boolean {
  const last = word.length - 1;
  return last >= 2 && isConsonant(word, last - 2) && !isConsonant(word, last - 1) && isConsonant(word, last) &&
    !"wxy".includes(word.charAt(last));
}
