// Asks Saleor's own library for apps (the package @saleor/app-sdk in tests/peers). From standard
// input: a JSON list of questions, each with `ask` and what is asked about. To standard output: a
// JSON list that says of each whether the library takes it. A token's keys it fetches by itself.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const packages = new URL(`${pathToFileURL(process.argv[2])}/`);
const { verifyJWT, verifySignatureWithJwks } = await import(
  new URL("@saleor/app-sdk/auth/index.mjs", packages)
);
console.error = () => {}; // it writes each refusal there

const questions = {
  delivery: ({ keys, signature, body }) => verifySignatureWithJwks(keys, signature, body),
  token: ({ api, app, token }) => verifyJWT({ saleorApiUrl: api, appId: app, token }),
};

const answers = [];
for (const question of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    await questions[question.ask](question);
    answers.push(true);
  } catch {
    answers.push(false);
  }
}
process.stdout.write(JSON.stringify(answers));
