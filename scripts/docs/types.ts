/** Writes types, as `deno doc --json` describes them, the way that they are written in the source. @module */

/** A node of the description. Only its kind is sure. */
export interface DocNode {
  readonly kind?: string;
  readonly repr?: string;
  readonly value?: unknown;
  readonly [name: string]: unknown;
}

/** A type as text. */
export function typeText(node: unknown): string {
  if (!isNode(node)) return "unknown";
  const { kind, value } = node;
  const parts = Array.isArray(value) ? value : [];
  switch (kind) {
    case "union":
      return parts.map(typeText).join(" | ");
    case "intersection":
      return parts.map(typeText).join(" & ");
    case "tuple":
      return `[${parts.map(typeText).join(", ")}]`;
    case "array":
      return `${inBrackets(value)}[]`;
    case "parenthesized":
      return `(${typeText(value)})`;
    case "literal":
      return literalText(value);
    case "typeLiteral":
      return bodyText(value);
    case "typeRef":
      return isNode(value) ? `${value.typeName}${argumentsText(value.typeParams)}` : "unknown";
    case "typeOperator":
      return isNode(value) ? `${value.operator} ${typeText(value.tsType)}` : "unknown";
    case "indexedAccess":
      return isNode(value) ? `${typeText(value.objType)}[${typeText(value.indexType)}]` : "unknown";
    case "fnOrConstructor":
      return isNode(value) ? `${paramsText(value.params)} => ${typeText(value.tsType)}` : "unknown";
    case "typeQuery":
      return `typeof ${value}`;
    case "mapped":
      return node.repr || "{ ... }";
    default:
      return node.repr || String(value ?? "unknown");
  }
}

/** Parameters in parentheses. */
export function paramsText(params: unknown): string {
  return `(${asNodes(params).map(paramText).join(", ")})`;
}

/** Type parameters or arguments in angle brackets; nothing where there are none. */
export function argumentsText(params: unknown): string {
  const texts = asNodes(params).map((param) => {
    if (typeof param.name !== "string") return typeText(param);
    return param.name + (param.constraint === undefined ? "" : ` extends ${typeText(param.constraint)}`);
  });
  return texts.length === 0 ? "" : `<${texts.join(", ")}>`;
}

/** What an interface or an object type has, in braces. */
function bodyText(body: unknown): string {
  if (!isNode(body)) return "{}";
  const properties = asNodes(body.properties).map((property) =>
    `${property.readonly ? "readonly " : ""}${property.name}${property.optional ? "?" : ""}: ${
      typeText(property.tsType)
    }`
  );
  const methods = asNodes(body.methods).map((method) =>
    `${method.name}${paramsText(method.params)}: ${typeText(method.returnType)}`
  );
  const indexes = asNodes(body.indexSignatures).map((index) =>
    `${index.readonly ? "readonly " : ""}[${asNodes(index.params).map(paramText).join()}]: ${typeText(index.tsType)}`
  );
  const members = [...properties, ...methods, ...indexes];
  return members.length === 0 ? "{}" : `{ ${members.join("; ")} }`;
}

function paramText(param: DocNode): string {
  if (param.kind === "assign") return isNode(param.left) ? paramText({ ...param.left, optional: true }) : "unknown";
  if (param.kind === "rest") {
    const type = param.tsType ?? (isNode(param.arg) ? param.arg.tsType : undefined);
    return `...${isNode(param.arg) ? param.arg.name : "rest"}: ${typeText(type)}`;
  }
  const name = typeof param.name === "string" && param.name !== "" ? param.name : "options";
  return `${name}${param.optional ? "?" : ""}: ${typeText(param.tsType)}`;
}

function literalText(value: unknown): string {
  if (!isNode(value)) return "unknown";
  if (value.kind === "string") return JSON.stringify(value.string);
  return String(value.number ?? value.boolean ?? value.string ?? "unknown");
}

function inBrackets(element: unknown): string {
  const text = typeText(element);
  const isPlain = isNode(element) &&
    !["union", "intersection", "fnOrConstructor", "typeOperator"].includes(element.kind ?? "");
  return isPlain ? text : `(${text})`;
}

/** Whether something is a node at all. */
export function isNode(value: unknown): value is DocNode {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The nodes of a list; none where there is no list. */
export function asNodes(value: unknown): DocNode[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}
