/** The terms of an index, each with its postings. @module */

import { Postings } from "./postings.ts";
import type { Token } from "./text.ts";

/** A term that at least one entry holds. */
export interface Term {
  readonly text: string;
  readonly postings: Postings;
}

/** A form of a word that at least one entry holds: what the beginnings of words are compared with. */
export interface Form {
  readonly text: string;
  readonly term: Term;
  /** How many entries hold it. */
  holders: number;
  /** The place that it was added to last. */
  newest: number;
}

// So many new forms are looked through one by one before they are put in order with the others.
const MAX_FRESH = 1024;

/** Terms by their text, and the forms of words in order, for those that begin with something. */
export class Lexicon {
  readonly #terms = new Map<string, Term>();
  readonly #forms = new Map<string, Form>();
  // Together these name every form, unless `#fresh` is full: then all are put in order at the next look, which may
  // never come. A text whose form has gone, or that stands in both, does no harm.
  #sorted: readonly string[] = [];
  #fresh: string[] = [];

  /** The term with this text. */
  get(text: string): Term | undefined {
    return this.#terms.get(text);
  }

  /** Adds an entry with its words and returns their forms, for `remove`. */
  add(place: number, tokens: readonly Token[]): Form[] {
    const forms: Form[] = [];
    for (const token of tokens) {
      const form = this.#formOf(token);
      form.term.postings.add(place);
      if (form.newest === place) continue; // a form that this entry was seen to hold already
      form.newest = place;
      form.holders++;
      forms.push(form);
    }
    return forms;
  }

  /** Removes an entry with these forms. */
  remove(place: number, forms: readonly Form[]): void {
    for (const form of forms) {
      const { text, term } = form;
      form.newest = 0;
      if (--form.holders === 0) this.#forms.delete(text);
      // Several forms of a word in one entry have one posting.
      if (term.postings.delete(place) && term.postings.size === 0) this.#terms.delete(term.text);
    }
  }

  /** The terms of the words that begin with `prefix`. */
  beginningWith(prefix: string): Set<Term> {
    if (this.#fresh.length > MAX_FRESH) {
      this.#sorted = [...this.#forms.keys()].sort();
      this.#fresh = [];
    }
    const found = new Set<Term>();
    const take = (text: string) => {
      const form = this.#forms.get(text);
      if (form !== undefined) found.add(form.term);
    };
    for (let index = lowerBound(this.#sorted, prefix); this.#sorted[index]?.startsWith(prefix); index++) {
      take(this.#sorted[index] ?? "");
    }
    for (const text of this.#fresh) if (text.startsWith(prefix)) take(text);
    return found;
  }

  #formOf({ form: text, term: termText }: Token): Form {
    let form = this.#forms.get(text);
    if (form === undefined) {
      let term = this.#terms.get(termText);
      if (term === undefined) this.#terms.set(termText, term = { text: termText, postings: new Postings() });
      this.#forms.set(text, form = { text, term, holders: 0, newest: 0 });
      if (this.#fresh.length <= MAX_FRESH) this.#fresh.push(text);
    }
    return form;
  }
}

function lowerBound(sorted: readonly string[], text: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? "") < text) low = middle + 1;
    else high = middle;
  }
  return low;
}
