// Asks TypeScript whether a manifest is an `AppManifest`, as Saleor's own library for apps (the
// package @saleor/app-sdk in tests/peers) declares it. From standard input: a JSON list of manifests.
// To standard output: a JSON list with, for each, what the compiler has against it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const packages = process.argv[2];
const { default: ts } = await import(
  new URL("typescript/lib/typescript.js", `${pathToFileURL(packages)}/`)
);
const options = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: [],
};

function faults(manifest) {
  const file = join(packages, "manifest.mts");
  // Written out in full, since the compiler refuses unknown names in such a literal alone.
  const source = `import type { AppManifest } from "@saleor/app-sdk/types";
export const manifest: AppManifest = ${JSON.stringify(manifest)};`;
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.getSourceFile = (name, ...more) =>
    name === file
      ? ts.createSourceFile(name, source, ...more)
      : getSourceFile.call(host, name, ...more);
  const program = ts.createProgram([file], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(faults)));
