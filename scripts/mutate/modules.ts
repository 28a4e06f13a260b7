/**
 * Runs modules of the project without the engine's module cache, so that thousands of mutants of one can be run in one
 * process. Every turn of a loop is counted, which finds an endless one however busy the machine is.
 *
 * @module
 */

import * as assertions from "@std/assert";
import fc, * as fastCheck from "fast-check";
import ts from "typescript";

// So that luck kills nothing; and to look for a smaller counterexample takes longer than all the rest.
fc.configureGlobal({ seed: 20_251, endOnFailure: true });

const ROOT = new URL("../../", import.meta.url);

/** What the tests of the pure parts may import beside modules of the project. */
const EXTERNAL: Readonly<Record<string, object>> = {
  "@std/assert": assertions,
  "fast-check": { ...fastCheck, __esModule: true, default: fc },
};

type Exports = Record<string, unknown>;
type Evaluate = (exports: Exports, require: (specifier: string) => object, tick: () => void, deno: object) => void;

/** The code of a module, in which every turn of a loop ticks; `null` when it cannot be parsed. */
export function compile(text: string): string | null {
  const { outputText, diagnostics } = ts.transpileModule(text, {
    reportDiagnostics: true,
    compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.CommonJS, removeComments: true },
    transformers: { before: [countTurns] },
  });
  return diagnostics && diagnostics.length > 0 ? null : outputText;
}

function countTurns({ factory }: ts.TransformationContext): ts.Transformer<ts.SourceFile> {
  const tick = factory.createExpressionStatement(
    factory.createCallExpression(factory.createIdentifier("__tick"), undefined, []),
  );
  const body = (statement: ts.Statement) => factory.createBlock([tick, statement]);
  const visit = (given: ts.Node): ts.Node => {
    const node = ts.visitEachChild(given, visit, undefined);
    if (ts.isWhileStatement(node)) return factory.updateWhileStatement(node, node.expression, body(node.statement));
    if (ts.isDoStatement(node)) return factory.updateDoStatement(node, body(node.statement), node.expression);
    if (ts.isForStatement(node)) {
      return factory.updateForStatement(
        node,
        node.initializer,
        node.condition,
        node.incrementor,
        body(node.statement),
      );
    }
    if (ts.isForOfStatement(node)) {
      return factory.updateForOfStatement(
        node,
        node.awaitModifier,
        node.initializer,
        node.expression,
        body(node.statement),
      );
    }
    return node;
  };
  return (file) => ts.visitEachChild(file, visit, undefined);
}

/** A graph of modules, each run at most once. */
export class Modules {
  readonly #loaded = new Map<string, Exports>();
  readonly #changed: string;
  readonly #evaluate: Evaluate;
  readonly #tick: () => void;
  readonly #deno: object;

  /** In which the module at the path `changed` has the code `code`, and all see `deno` as `Deno`. */
  constructor(changed: string, code: string, tick: () => void, deno: object) {
    this.#changed = new URL(changed, ROOT).href;
    this.#evaluate = evaluator(code);
    this.#tick = tick;
    this.#deno = deno;
  }

  /** Runs a module and those that it imports, as far as they have not been run. */
  load(path: string): Exports {
    return this.#load(new URL(path, ROOT).href);
  }

  #load(url: string): Exports {
    const known = this.#loaded.get(url);
    if (known) return known;
    const exports: Exports = {};
    this.#loaded.set(url, exports);
    const evaluate = url === this.#changed ? this.#evaluate : unchanged(url);
    const require = (specifier: string) => EXTERNAL[specifier] ?? this.#load(new URL(specifier, url).href);
    evaluate(exports, require, this.#tick, this.#deno);
    return exports;
  }
}

const compiled = new Map<string, Evaluate>();

function unchanged(url: string): Evaluate {
  const known = compiled.get(url);
  if (known) return known;
  const evaluate = evaluator(compile(Deno.readTextFileSync(new URL(url))) ?? "");
  compiled.set(url, evaluate);
  return evaluate;
}

function evaluator(code: string): Evaluate {
  const evaluate = new Function("exports", "require", "__tick", "Deno", code);
  return (...given) => void evaluate(...given);
}
