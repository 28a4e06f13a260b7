/** What scripts that judge the tests need to know of the source: what is there for the compiler alone. @module */

import ts from "typescript";

/** The literal of `list[index] ?? literal`: it is there for the compiler, which cannot know that the index is within. */
export function indexDefault(node: ts.Node): ts.Expression | undefined {
  const isIt = ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken &&
    ts.isElementAccessExpression(node.left) && ts.isLiteralExpression(node.right);
  return isIt ? node.right : undefined;
}

/** How many of them there are on each line, by number. */
export function indexDefaultsByLine(text: string): ReadonlyMap<number, number> {
  const file = ts.createSourceFile("source.ts", text, ts.ScriptTarget.Latest, true);
  const counts = new Map<number, number>();
  const visit = (node: ts.Node) => {
    const literal = indexDefault(node);
    if (literal) {
      const line = file.getLineAndCharacterOfPosition(literal.getStart(file)).line + 1;
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
