// Bundle the front end into dist/: `npm run build`.
//
// What goes in is found, not listed: panel/panel.js, panel/pages.js, panel/panel.css and every help desk's
// bridge.js (and bridge.css). Other files beside them, such as icons and templates, are copied.
// Scripts, styles and pictures get a digest in their names, so that browsers may keep them for
// ever; dist/assets.json maps the logical name ("panel/panel.js") to the file. Nothing is fetched,
// and dist/ is replaced at the end only, so a failed build leaves the last good one in place.
//
//   node build.mjs [folder]     folder: where the sources are, this one by default

import { createHash } from "node:crypto";
import { cp, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const root = path.resolve(process.argv[2] ?? path.dirname(fileURLToPath(import.meta.url)));
const staging = path.join(root, ".dist-new");
const target = path.join(root, "dist");

const SKIPPED_FOLDERS = new Set(["node_modules", "dist"]);
const REQUIRED = ["panel/panel.js", "panel/panel.css"];
const BUNDLED = /^(panel\/(panel|pages)\.js|panel\/panel\.css|[^/]+\/bridge\.(js|css))$/; // the entry points
const ONLY_IMPORTED = /\.(m?js|css|md|py)$/; // reaches dist through an entry point, or not at all
const PACKED = /^[^/]+\/package\//; // a desk's own app as its adapter packs it, every file as it is
const WITH_DIGEST = /\.(svg|png|ico|woff2)$/; // fetched by browsers; all else is read by name

/** List the files below the folders of root as "folder/.../file", sorted, hidden ones left out. */
async function sources() {
  const found = [];
  const walk = async (folder) => {
    const entries = await readdir(path.join(root, folder), { withFileTypes: true });
    for (const entry of entries) {
      if (entry.name.startsWith(".") || entry.name.startsWith("__")) continue;
      const name = path.posix.join(folder, entry.name);
      if (!entry.isDirectory()) {
        if (folder !== "") found.push(name);
      } else if (!SKIPPED_FOLDERS.has(entry.name)) {
        await walk(name);
      }
    }
  };
  await walk("");
  return found.sort();
}

/** Bundle the entry points; return [logical name, file] pairs. */
async function bundle(names) {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: names,
    outbase: root,
    outdir: staging,
    entryNames: "[dir]/[name]-[hash]",
    assetNames: "[dir]/[name]-[hash]",
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    legalComments: "eof",
    loader: { ".svg": "file", ".png": "file", ".woff2": "file" },
    metafile: true,
    logLevel: "warning",
  });
  return Object.entries(metafile.outputs)
    .filter(([, output]) => output.entryPoint !== undefined)
    .map(([file, output]) => [output.entryPoint, path.posix.relative(".dist-new", file)]);
}

/** Copy one file as it is; return its [logical name, file] pair. */
async function copy(name) {
  let file = name;
  if (WITH_DIGEST.test(name)) {
    const digest = createHash("sha256").update(await readFile(path.join(root, name))).digest("hex");
    const { dir, name: stem, ext } = path.posix.parse(name);
    file = path.posix.join(dir, `${stem}-${digest.slice(0, 8).toUpperCase()}${ext}`);
  }
  await mkdir(path.dirname(path.join(staging, file)), { recursive: true });
  await cp(path.join(root, name), path.join(staging, file));
  return [name, file];
}

const names = await sources();
const missing = REQUIRED.filter((name) => !names.includes(name));
if (missing.length > 0) {
  console.error(`build: missing in ${path.basename(root)}: ${missing.join(", ")}`);
  process.exit(1);
}

await rm(staging, { recursive: true, force: true });
await mkdir(staging);
const pairs = await bundle(names.filter((name) => BUNDLED.test(name)));
for (const name of names.filter((name) => PACKED.test(name) || !ONLY_IMPORTED.test(name))) pairs.push(await copy(name));
pairs.sort(([a], [b]) => (a < b ? -1 : 1));

const assets = JSON.stringify(Object.fromEntries(pairs), null, 2);
await writeFile(path.join(staging, "assets.json"), `${assets}\n`);
await rm(target, { recursive: true, force: true });
await rename(staging, target);
console.log(`build: ${pairs.length} files in dist`);
