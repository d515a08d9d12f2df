// Lists what is vendored with its licence and its licence's text.
const fs = require("fs"), path = require("path");
const lock = JSON.parse(fs.readFileSync("package-lock.json", "utf8")).packages;
const texts = [];
for (const [dir, p] of Object.entries(lock).sort()) {
  if (!dir || /esbuild/.test(dir)) continue;
  const name = dir.replace(/^.*node_modules\//, "");
  const file = fs.readdirSync(dir).find(f => /^licen[cs]e/i.test(f));
  console.log(`${name} ${p.version}  ${p.license || "its text is below"}${p.dev ? "  (tests only)" : ""}`);
  if (file) texts.push(`${"-".repeat(72)}\n${name} ${p.version}\n\n${fs.readFileSync(path.join(dir, file), "utf8").trim()}`);
}
console.log("\n" + texts.join("\n\n"));
