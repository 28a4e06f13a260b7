/**
 * Makes mutants of a source file: copies with one small fault each, as people make them.
 *
 * Types, imports and the default of `list[index] ?? literal` are left alone: the last is there for the compiler.
 *
 * @module
 */

import ts from "typescript";
import { indexDefault } from "../source.ts";
import { compile } from "./modules.ts";

/** One fault, and where it is. */
export interface Mutant {
  /** The line, counted from 1. */
  readonly line: number;
  /** The line as it is, without its indentation. */
  readonly original: string;
  /** The line with the fault; where the fault spans several, the first and what is left of the last. */
  readonly mutated: string;
  /** What runs of the whole file with the fault. */
  readonly code: string;
}

/** What a piece of the source becomes. */
interface Change {
  readonly node: ts.Node;
  readonly replacements: readonly string[];
}

const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "**": ["*"],
  "&": ["|"],
  "|": ["&"],
  ">>": ["<<"],
  "<<": [">>"],
  "&&": ["||"],
  "||": ["&&"],
  "+=": ["-="],
  "-=": ["+="],
  "*=": ["/="],
  "/=": ["*="],
  "++": ["--"],
  "--": ["++"],
};

const METHODS: Readonly<Record<string, string>> = {
  every: "some",
  some: "every",
  min: "max",
  max: "min",
  floor: "ceil",
  ceil: "floor",
};

const COMPARISONS = new Set(["<", "<=", ">", ">=", "===", "!==", "&&", "||", "in", "instanceof"]);

/** All mutants of a source text, in its order; none of them does the same as the source or another. */
export function* mutantsOf(path: string, text: string): Generator<Mutant> {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const seen = new Set([compile(text)]);
  for (const { node, replacements } of changesIn(file, file)) {
    for (const replacement of replacements) {
      const start = node.getStart(file);
      const end = node.getEnd();
      const code = compile(text.slice(0, start) + replacement + text.slice(end));
      if (code === null || seen.has(code)) continue;
      seen.add(code);
      const lineStart = text.lastIndexOf("\n", start - 1) + 1;
      const lineEnd = (from: number) => text.indexOf("\n", from) < 0 ? text.length : text.indexOf("\n", from);
      yield {
        line: file.getLineAndCharacterOfPosition(start).line + 1,
        original: text.slice(lineStart, lineEnd(start)).trim(),
        mutated: (text.slice(lineStart, start) + replacement + text.slice(end, lineEnd(end))).trim(),
        code,
      };
    }
  }
}

function* changesIn(file: ts.SourceFile, node: ts.Node): Generator<Change> {
  if (ts.isTypeNode(node) || ts.isTypeAliasDeclaration(node) || ts.isInterfaceDeclaration(node)) return;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
  yield* changesOf(file, node);
  const skipped = indexDefault(node);
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => void children.push(child));
  for (const child of children) if (child !== skipped) yield* changesIn(file, child);
}

/** The faults that can be made in one node, without those in its parts. */
function* changesOf(file: ts.SourceFile, node: ts.Node): Generator<Change> {
  const source = (part: ts.Node) => part.getText(file);
  if (ts.isBinaryExpression(node) && !indexDefault(node)) {
    const operator = node.operatorToken;
    if (operator.kind === ts.SyntaxKind.QuestionQuestionToken) {
      yield { node, replacements: [`(${source(node.left)})`, `(${source(node.right)})`] };
    }
    yield { node: operator, replacements: OPERATORS[source(operator)] ?? [] };
  }
  if (ts.isPrefixUnaryExpression(node)) yield { node, replacements: negations(node, source(node.operand)) };
  if (ts.isPostfixUnaryExpression(node)) {
    const other = node.operator === ts.SyntaxKind.PlusPlusToken ? "--" : "++";
    yield { node, replacements: [source(node.operand) + other] };
  }
  if (ts.isIfStatement(node)) yield { node: node.expression, replacements: ["true", "false"] };
  if (ts.isConditionalExpression(node)) yield { node: node.condition, replacements: ["true", "false"] };
  if (ts.isWhileStatement(node)) yield { node: node.expression, replacements: ["false"] };
  if (ts.isForStatement(node) && node.condition) yield { node: node.condition, replacements: ["false"] };
  if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const name = node.expression.name;
    const other = METHODS[source(name)];
    yield { node: name, replacements: other === undefined ? [] : [other] };
  }
  if (node.kind === ts.SyntaxKind.QuestionDotToken) {
    yield { node, replacements: [ts.isPropertyAccessExpression(node.parent) ? "." : ""] };
  }
  if (ts.isExpressionStatement(node) || ts.isThrowStatement(node) || ts.isBreakOrContinueStatement(node)) {
    yield { node, replacements: [";"] };
  }
  if (ts.isReturnStatement(node) && node.expression) {
    yield { node: node.expression, replacements: results(file, node.expression) };
  }
  if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) {
    yield { node: node.body, replacements: results(file, node.body) };
  }
  yield { node, replacements: literals(node) };
}

/** What a function may wrongly return instead of a value. */
function results(file: ts.SourceFile, value: ts.Expression): string[] {
  const isBoolean = (ts.isBinaryExpression(value) && COMPARISONS.has(value.operatorToken.getText(file))) ||
    (ts.isPrefixUnaryExpression(value) && value.operator === ts.SyntaxKind.ExclamationToken);
  if (isBoolean) return ["true", "false"];
  const isBooleanLiteral = value.kind === ts.SyntaxKind.TrueKeyword || value.kind === ts.SyntaxKind.FalseKeyword;
  return isBooleanLiteral ? [] : ["undefined"]; // literals have faults of their own
}

function negations({ operator }: ts.PrefixUnaryExpression, operand: string): string[] {
  if (operator === ts.SyntaxKind.PlusPlusToken) return [`--${operand}`];
  if (operator === ts.SyntaxKind.MinusMinusToken) return [`++${operand}`];
  return [operand];
}

/** What a value that stands in the source may be wrongly. */
function literals(node: ts.Node): string[] {
  if (node.kind === ts.SyntaxKind.TrueKeyword) return ["false"];
  if (node.kind === ts.SyntaxKind.FalseKeyword) return ["true"];
  if (ts.isNumericLiteral(node)) return [String(Number(node.text) + 1), `(${Number(node.text) - 1})`];
  if (ts.isStringLiteral(node)) {
    const isName = ts.isPropertyAssignment(node.parent) && node.parent.name === node;
    return isName ? [] : [node.text === "" ? '"x"' : '""'];
  }
  if (ts.isNoSubstitutionTemplateLiteral(node) || ts.isTemplateExpression(node)) return ['""'];
  if (ts.isArrayLiteralExpression(node) && node.elements.length > 0) return ["[]"];
  return [];
}
