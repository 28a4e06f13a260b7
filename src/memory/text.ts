/** Turns text into the terms that it is found by, the same for what is stored and for what is asked. @module */

import { type OptionNames, requireFunction, requireOptions, typeName } from "../check.ts";
import type { JsonValue } from "../storage/json.ts";
import { porterStem } from "./porter.ts";
import { ENGLISH_STOP_WORDS } from "./stop_words.ts";

/**
 * What can be changed about how text becomes terms. Processes that share a memory may differ: each reads for itself.
 */
export interface AnalyzerOptions {
  /**
   * Words that are left out: in lower case, without accents and apostrophes. Of the default ones, a word with accents
   * is none: "thé" is tea.
   *
   * @default {English function words}
   */
  readonly stopWords?: Iterable<string>;
  /** Brings the forms of a word together, given it in lower case, without accents. @default {porterStem} */
  readonly stem?: (word: string) => string;
}

/** A word of a text. */
export interface Token {
  /** The word without case and accents: what the beginning of a word is compared with. */
  readonly form: string;
  /** What it is found by: its stem. */
  readonly term: string;
}

/** A word as it was written, with what it stands for. */
export interface QueryWord {
  readonly word: string;
  /** None when it is a stop-word, several when it is an identifier. */
  readonly tokens: readonly Token[];
}

/** The shortest beginning of a word that stands for the words that begin so. */
export const MIN_PREFIX_LENGTH = 3;

/** The longest term, in UTF-16 code units; longer ones are cut, so that no text can make the index large by itself. */
export const MAX_TERM_LENGTH = 64;

// Words are cut out of text so: what holds identifiers, versions, dates and names together may stand inside. And
// pictures, without the colour of a skin.
const EMOJI = /\p{RI}{2}|(?!\p{Emoji_Modifier})\p{Emoji_Presentation}|\p{Extended_Pictographic}(?=\uFE0F)/u;
const CHUNK = new RegExp(
  `[\\p{L}\\p{N}_][\\p{L}\\p{M}\\p{N}_]*(?:[.'’-][\\p{L}\\p{M}\\p{N}_]+)*|${EMOJI.source}`,
  "gu",
);
const PICTURE = /^[^\p{L}\p{N}_]/u;
const PARTS = /\p{Lu}+(?!\p{Ll})\p{M}*|\p{Lu}?[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|\p{Lu}|\p{N}+/gu;
const ENGLISH_ENDING = /['’](?:s|re|ve|ll|d|m)$/i;
const ENGLISH_NEGATION = /n['’]t$/i;
// Scripts that write no space between words; a term of one or two characters is what can be found in them. And
// Korean's, which writes endings and particles as parts of words: cut so, .857 instead of .756 nDCG@10 (sentences of
// KorQuAD).
const UNSPACED =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;
const UNSPACED_RUN = new RegExp(`(${UNSPACED.source}+)`, "u");

// Accents, and what makes a picture of a character.
const MARKS = /[\u0300-\u036f\u20e3\ufe00-\ufe0f]/g;

// Letters that decomposition leaves whole and that people write without their mark.
const LETTERS: Readonly<Record<string, string>> = {
  ß: "ss",
  æ: "ae",
  œ: "oe",
  ø: "o",
  đ: "d",
  ð: "d",
  ħ: "h",
  ı: "i",
  ł: "l",
  þ: "th",
  ς: "σ",
};
const SPECIAL_LETTERS = new RegExp(`[${Object.keys(LETTERS).join("")}]`, "g");

const OPTIONS: OptionNames<AnalyzerOptions> = { stopWords: true, stem: requireFunction };

const NO_WORDS: ReadonlySet<string> = new Set();

// Most words of a text have been seen before. Cleared when full: simpler than a cache, and as fast.
const MAX_KNOWN = 50_000;

/**
 * Cuts text into Unicode words, without case and accents, without stop-words, stemmed. Identifiers, versions and dates
 * (`camelCase`, `snake_case`, `v1.2.3`, `2026-11-05`) are kept whole and in parts. Scripts without spaces, and Korean,
 * give single characters and pairs of them. Emoji count as words. Takes time proportional to the text.
 */
export class Analyzer {
  readonly #stopWords: ReadonlySet<string>;
  readonly #isEnglish: boolean;
  readonly #stem: (word: string) => string;
  readonly #known = new Map<string, readonly Token[]>();

  /**
   * Makes an analyzer for English text, or for what the options say.
   *
   * @throws {TypeError} When an option is none.
   */
  constructor(options: AnalyzerOptions = {}) {
    requireOptions("analyzer", options, OPTIONS);
    const { stopWords = ENGLISH_STOP_WORDS, stem = porterStem } = options;
    if (typeof stopWords === "string" || typeof stopWords?.[Symbol.iterator] !== "function") {
      throw new TypeError(`Cannot use stopWords: it must be a list of words, got ${typeName(stopWords)}`);
    }
    this.#isEnglish = stopWords === ENGLISH_STOP_WORDS;
    this.#stopWords = new Set(stopWords);
    this.#stem = stem;
  }

  /** The words of a text, in its order, repeated as they are there. */
  tokens(text: string): Token[] {
    const tokens: Token[] = [];
    for (const chunk of chunksOf(text)) for (const token of this.#tokensOf(chunk)) tokens.push(token);
    return tokens;
  }

  /** The words of a query, each with its tokens. */
  words(text: string): QueryWord[] {
    return chunksOf(text).map((word) => ({ word, tokens: this.#tokensOf(word) }));
  }

  /**
   * The beginning of a word that a query breaks off with; `null` when it ends behind a word or is too short to tell.
   */
  openPrefix(text: string): string | null {
    const last = chunksOf(text.slice(-2 * MAX_TERM_LENGTH)).at(-1);
    if (last === undefined || !text.endsWith(last)) return null;
    const prefix = lower(fold(last)).slice(0, MAX_TERM_LENGTH);
    return prefix.length < MIN_PREFIX_LENGTH ? null : prefix;
  }

  #tokensOf(chunk: string): readonly Token[] {
    const known = this.#known.get(chunk);
    if (known !== undefined) return known;
    const tokens = this.#analyze(chunk);
    if (chunk.length > MAX_TERM_LENGTH) return tokens;
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(chunk, tokens);
    return tokens;
  }

  #analyze(chunk: string): Token[] {
    if (PICTURE.test(chunk)) return [asItIs(chunk)];
    const word = chunk.replace(ENGLISH_ENDING, "").replace(ENGLISH_NEGATION, "nt");
    const folded = fold(word);
    const stopWords = this.#isEnglish && folded !== word ? NO_WORDS : this.#stopWords;
    if (!UNSPACED.test(folded)) return this.#analyzeWord(folded, stopWords);
    return folded.split(UNSPACED_RUN).flatMap((run) =>
      UNSPACED.test(run) ? charactersAndPairs(run).map(asItIs) : this.#analyzeWord(run, stopWords)
    );
  }

  #analyzeWord(word: string, stopWords: ReadonlySet<string>): Token[] {
    const parts = word.match(PARTS) ?? [];
    const plain = (part: string) => this.#analyzePlain(part, stopWords);
    if (parts.length === 1) return parts.flatMap(plain);
    const isWord = /^[\p{L}\p{M}]+$/u.test(word);
    const isHyphenated = !isWord && /^[\p{L}\p{M}'’-]+$/u.test(word);
    const whole = isWord ? plain(word) : isHyphenated || parts.length === 0 ? [] : [asItIs(lower(word))];
    // A single letter of an identifier tells nothing; a digit of a version or a date does.
    const telling = parts.filter((part) => part.length > 1 || /\p{N}/u.test(part));
    return [...whole, ...telling.flatMap(plain)];
  }

  #analyzePlain(word: string, stopWords: ReadonlySet<string>): Token[] {
    const form = lower(word).slice(0, MAX_TERM_LENGTH);
    return stopWords.has(form) ? [] : [{ form, term: this.#stem(form) }];
  }
}

function asItIs(text: string): Token {
  const form = text.slice(0, MAX_TERM_LENGTH);
  return { form, term: form };
}

/** All strings in a JSON value, in their order; the names of fields are not among them. */
export function stringsOf(value: JsonValue): string[] {
  const strings: string[] = [];
  const visit = (each: JsonValue) => {
    if (typeof each === "string") strings.push(each);
    else if (typeof each === "object" && each !== null) Object.values(each).forEach(visit);
  };
  visit(value);
  return strings;
}

function chunksOf(text: string): readonly string[] {
  return text.match(CHUNK) ?? [];
}

/** Without accents and compatibility forms; case is kept, for it shows where identifiers have parts. */
function fold(text: string): string {
  // deno-lint-ignore no-control-regex -- most text is ASCII, which has nothing to fold
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  return text.normalize("NFKD").replace(MARKS, "").normalize("NFC");
}

function lower(text: string): string {
  return text.toLowerCase().replace(SPECIAL_LETTERS, (letter) => LETTERS[letter] ?? letter);
}

function charactersAndPairs(run: string): string[] {
  const characters = Array.from(run);
  return characters.flatMap((character, index) => {
    const next = characters[index + 1];
    return next === undefined ? [character] : [character, character + next];
  });
}
