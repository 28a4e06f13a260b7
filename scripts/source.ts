/** What scripts that judge the tests need to know of the source: what is there for the compiler alone. @module */

import ts from "typescript";

/**
 * The default of `list[index] ?? name`, or of one with a literal, `null`, `[]` or `{}` in its place: it is there for
 * the compiler, which cannot know that the index is within the list.
 */
export function indexDefault(node: ts.Node): ts.Expression | undefined {
  if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.QuestionQuestionToken) return undefined;
  const { left, right } = node;
  const isPlain = ts.isLiteralExpression(right) || ts.isIdentifier(right) || right.kind === ts.SyntaxKind.NullKeyword ||
    (ts.isArrayLiteralExpression(right) && right.elements.length === 0) ||
    (ts.isObjectLiteralExpression(right) && right.properties.length === 0);
  return ts.isElementAccessExpression(left) && isPlain ? right : undefined;
}

/** How many of them there are on each line, by number. */
export function indexDefaultsByLine(text: string): ReadonlyMap<number, number> {
  const file = ts.createSourceFile("source.ts", text, ts.ScriptTarget.Latest, true);
  const counts = new Map<number, number>();
  const visit = (node: ts.Node) => {
    const value = indexDefault(node);
    if (value) {
      const line = file.getLineAndCharacterOfPosition(value.getStart(file)).line + 1;
      counts.set(line, (counts.get(line) ?? 0) + 1);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return counts;
}

/** What runs of a text, without its comments; `null` when it cannot be parsed. */
export function emittedCode(text: string): string | null {
  const { outputText, diagnostics } = ts.transpileModule(text, {
    reportDiagnostics: true,
    compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext, removeComments: true },
  });
  return diagnostics && diagnostics.length > 0 ? null : outputText;
}
