/** Writes docs/API.md of what `deno doc --json` says of the entry points. @module */

import { argumentsText, asNodes, type DocNode, isNode, paramsText, typeText } from "./types.ts";

/** One entry point of the package. */
export interface EntryPoint {
  /** As it is imported: `.`, `./redis`. */
  readonly name: string;
  /** Its file, from the root of the project. */
  readonly path: string;
  readonly doc: DocNode;
}

const INTRODUCTION = `# API

Everything that the package exports, by entry point. Written by \`deno task docs\` from the sources, which say more, with
examples that run. A test holds it to them.
`;

// How the symbols of "." are grouped: by the folder that they come from, in this order.
const GROUPS: readonly (readonly [folder: string, title: string])[] = [
  ["src/messages/", "Messages"],
  ["src/agents/", "Agents"],
  ["src/resilience/", "Resilience"],
  ["src/memory/", "Memory"],
  ["presets/", "Memory"],
  ["src/storage/", "Storage"],
  ["src/observability/", "Observability"],
  ["src/errors.ts", "Errors"],
  ["", "Others"],
];
const KINDS = ["class", "function", "variable", "interface", "typeAlias"];

/** The whole document. `root` begins the names of all files. */
export function apiText(entryPoints: readonly EntryPoint[], packageName: string, root: string): string {
  const known = new Set<string>();
  const interfaces = interfacesOf(entryPoints);
  const sections = entryPoints.map(({ name, path, doc }) => {
    const symbols = asNodes(doc.symbols).map((symbol) => toSymbol(symbol, root, interfaces));
    const own = symbols.filter(({ id }) => !known.has(id));
    const elsewhere = symbols.filter(({ id }) => known.has(id)).map(({ symbol }) => `\`${symbol}\``);
    for (const { id } of own) known.add(id);
    const specifier = packageName + name.slice(1);
    const lines = [`## \`${specifier}\``, "", firstParagraph(doc.module_doc), "", `Source: [${path}](../${path})`, ""];
    for (const title of new Set(GROUPS.map(([, title]) => title))) {
      const group = own.filter((each) => each.group === title).sort(byKindThenName);
      if (group.length === 0) continue;
      if (name === ".") lines.push(`### ${title}`, "");
      lines.push(...group.map(({ text }) => text));
    }
    if (elsewhere.length > 0) lines.push(`Also: ${elsewhere.join(", ")}, as above.`, "");
    return lines.join("\n");
  });
  return [INTRODUCTION, ...sections].join("\n");
}

/** By the name of an interface, what its members are said to be, by their names. */
type Interfaces = ReadonlyMap<string, ReadonlyMap<string, string>>;

function interfacesOf(entryPoints: readonly EntryPoint[]): Interfaces {
  const interfaces = new Map<string, Map<string, string>>();
  for (const symbol of entryPoints.flatMap(({ doc }) => asNodes(doc.symbols))) {
    for (const { kind, def } of asNodes(symbol.declarations)) {
      if (kind !== "interface" || !isNode(def)) continue;
      const members = [...asNodes(def.properties), ...asNodes(def.methods)];
      const summaries = members.map(({ name, jsDoc }) => [String(name), summaryOf(jsDoc)] as const);
      interfaces.set(String(symbol.name), new Map(summaries));
    }
  }
  return interfaces;
}

interface ApiSymbol {
  readonly symbol: string;
  /** Tells the same symbol in two entry points from two with the same name. */
  readonly id: string;
  readonly group: string;
  readonly rank: number;
  readonly text: string;
}

function toSymbol(symbol: DocNode, root: string, interfaces: Interfaces): ApiSymbol {
  const declarations = asNodes(symbol.declarations);
  const [first = {}] = declarations;
  const file = fileOf(first, root);
  const name = String(symbol.name);
  const texts = declarations.map((declaration) => declarationText(name, declaration, interfaces));
  const [, group = "Others"] = GROUPS.find(([folder]) => file.startsWith(folder)) ?? [];
  return {
    symbol: name,
    id: `${file} ${name}`,
    group,
    rank: KINDS.indexOf(first.kind ?? ""),
    text: `#### ${name}\n\n${texts.join("\n")}`,
  };
}

function byKindThenName(a: ApiSymbol, b: ApiSymbol): number {
  return a.rank - b.rank || (a.symbol < b.symbol ? -1 : 1);
}

function declarationText(name: string, declaration: DocNode, interfaces: Interfaces): string {
  const def = isNode(declaration.def) ? declaration.def : {};
  const summary = `${[firstParagraph(declaration.jsDoc), ...throwsOf(declaration.jsDoc)].join(" ")}\n`;
  switch (declaration.kind) {
    case "function":
      return `${summary}\n${signature(name + signatureText(def))}`;
    case "class":
      return `${summary}\n${classText(name, def, interfaces)}`;
    case "interface":
      return `${summary}\n${interfaceText(name, def)}`;
    case "typeAlias":
      return `${summary}\n${signature(`type ${name}${argumentsText(def.typeParams)} = ${typeText(def.tsType)}`)}`;
    case "reference": // of an entry point that comes later
      return `Described below, where it is from.\n`;
    default:
      return `${summary}\n${signature(`const ${name}: ${typeText(def.tsType)}`)}`;
  }
}

/** What a class has of an interface, and says nothing else about, stands there. */
function classText(name: string, def: DocNode, interfaces: Interfaces): string {
  const heritage = typeof def.extends === "string" ? ` extends ${def.extends}` : "";
  const implemented = asNodes(def.implements).map(typeText).filter((each) => interfaces.has(each));
  const isOwn = (member: DocNode): boolean =>
    implemented.every((each) => interfaces.get(each)?.get(String(member.name)) !== summaryOf(member.jsDoc));
  const links = implemented.map((each) => `[\`${each}\`](#${each.toLowerCase()})`);
  const rows = [
    ...asNodes(def.constructors).map((each) => row(`new ${name}${paramsText(each.params)}`, each)),
    ...asNodes(def.properties).filter(isPublic).filter(isOwn)
      .map((each) => row(`${each.name}: ${typeText(each.tsType)}`, each)),
    ...asNodes(def.methods).filter(isPublic).filter(isCallable).filter(isOwn).map((each) => {
      const method = isNode(each.functionDef) ? each.functionDef : {};
      const call = each.kind === "getter" ? `: ${typeText(method.returnType)}` : signatureText(method);
      return row(`${each.isStatic ? `${name}.` : ""}${each.name}${call}`, each);
    }),
    ...links.map((link) => `- the others as ${link} has them`),
  ];
  return `${signature(`class ${name}${argumentsText(def.typeParams)}${heritage}`)}\n${list(rows)}`;
}

function interfaceText(name: string, def: DocNode): string {
  const heritage = asNodes(def.extends).map(typeText);
  const head = `interface ${name}${argumentsText(def.typeParams)}${
    heritage.length > 0 ? ` extends ${heritage.join(", ")}` : ""
  }`;
  const rows = [
    ...asNodes(def.properties).map((each) =>
      row(`${each.name}${each.optional ? "?" : ""}: ${typeText(each.tsType)}`, each)
    ),
    ...asNodes(def.methods).map((each) => row(`${each.name}${each.optional ? "?" : ""}${signatureText(each)}`, each)),
  ];
  return `${signature(head)}\n${list(rows)}`;
}

function signatureText(def: DocNode): string {
  return `${argumentsText(def.typeParams)}${paramsText(def.params)}: ${typeText(def.returnType)}`;
}

function signature(text: string): string {
  return `\`${text}\`\n`;
}

function list(rows: readonly string[]): string {
  return rows.length === 0 ? "" : [...rows, ""].join("\n");
}

function row(text: string, { jsDoc }: DocNode): string {
  const summary = summaryOf(jsDoc);
  return summary === "" ? `- \`${text}\`` : `- \`${text}\`: ${summary}`;
}

/** The first paragraph, and the default where there is one. */
function summaryOf(jsDoc: unknown): string {
  const { doc = "", tags } = isNode(jsDoc) ? jsDoc : {};
  const text = String(doc);
  const inline = /@default \{(.*)\}\s*$/s.exec(text)?.[1];
  const tag = asNodes(tags).find(({ kind }) => kind === "default");
  const value = inline ?? (tag && String(tag.doc ?? tag.value ?? "").replace(/^\{(.*)\}$/s, "$1"));
  const summary = firstParagraph({ doc: text.replace(/@default .*$/s, "") });
  return [summary, ...(value === undefined ? [] : [`Default: \`${value}\`.`]), ...throwsOf(jsDoc)].join(" ");
}

/** What is thrown, and when. */
function throwsOf(jsDoc: unknown): string[] {
  const tags = isNode(jsDoc) ? asNodes(jsDoc.tags) : [];
  return tags.filter(({ kind }) => kind === "throws").map((tag) => {
    const when = firstParagraph(tag);
    if (tag.tsType === undefined) return `Throws: ${when}`;
    return when === "" ? `Throws \`${typeText(tag.tsType)}\`.` : `Throws \`${typeText(tag.tsType)}\`: ${when}`;
  });
}

/** Links of the form `{@linkcode X}` are code here. */
function firstParagraph(jsDoc: unknown): string {
  const text = isNode(jsDoc) ? String(jsDoc.doc ?? "") : "";
  const [first = ""] = text.trim().split(/\n\s*\n|\n(?=- )/);
  return first.replaceAll(/\{@link(?:code)? ([^}]+)\}/g, "`$1`").replaceAll("\n", " ").replace(/:$/, ".");
}

function isPublic({ accessibility, name }: DocNode): boolean {
  return accessibility !== "private" && !String(name).startsWith("#") && !String(name).startsWith("[");
}

/** Whether callers see it: of an overloaded method, the one with the body is not for them, and undocumented. */
function isCallable(method: DocNode, _index: number, all: readonly DocNode[]): boolean {
  return method.jsDoc !== undefined || !all.some(({ name, jsDoc }) => name === method.name && jsDoc !== undefined);
}

function fileOf({ location }: DocNode, root: string): string {
  const filename = isNode(location) ? String(location.filename) : "";
  return filename.startsWith(root) ? filename.slice(root.length) : filename;
}
