// Judges configurations of apps by the schema that Shopify's own tool reads them with (the package
// @shopify/app in tests/peers). From standard input: a JSON list of files' texts. To standard
// output: a JSON list with the faults of each, as [path, words].
import { readFileSync, readdirSync } from "node:fs";
import { pathToFileURL } from "node:url";

const packages = new URL(`${pathToFileURL(process.argv[2])}/`);
const models = new URL("@shopify/app/dist/cli/models/", packages);
const folder = new URL("extensions/specifications/", models);
const toml = new URL("@shopify/cli-kit/dist/public/node/toml.js", packages);

const { decodeToml } = await import(toml);
const { getAppVersionedSchema } = await import(new URL("app/app.js", models));
const sections = readdirSync(folder).filter((name) => /^app_config_\w+\.js$/.test(name));
const read = await Promise.all(sections.map((name) => import(new URL(name, folder))));
const schema = getAppVersionedSchema(read.map((section) => section.default));

const faults = JSON.parse(readFileSync(0, "utf8")).map((text) => {
  const { error } = schema.safeParse(decodeToml(text));
  return error ? error.issues.map((issue) => [issue.path.join("."), issue.message]) : [];
});
process.stdout.write(JSON.stringify(faults));
