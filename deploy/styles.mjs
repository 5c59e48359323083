// Cuts Tabler's styles down to what Lamina's pages can name, an eighth: every page loads them, and a tablet reads them anew each time.
//
//   node deploy/styles.mjs > mes/static/lamina/css/tabler.css        (make styles)
//
// Kept is every rule whose classes, elements and attributes stand anywhere in the templates, their tags or the scripts: nothing
// else writes a page. A test holds the written file against this.

import { readFileSync } from "node:fs";
import { PurgeCSS } from "purgecss";

const FOLDER = "node_modules/@tabler/core";
const { version } = JSON.parse(readFileSync(`${FOLDER}/package.json`, "utf8"));
const [kept] = await new PurgeCSS().purge({
  css: [`${FOLDER}/dist/css/tabler.min.css`],
  content: ["templates/**/*.html", "mes/static/lamina/js/*.js", "{mes,devices,printing,quality}/**/templatetags/*.py"],
  defaultExtractor: (text) => text.match(/[\w-]+/g) ?? [],
  dynamicAttributes: ["data-bs-theme"],
  keyframes: true,
});
process.stdout.write(`/* Of Tabler ${version} (MIT, tabler.io) what Lamina's pages use: make styles. */\n${kept.css}\n`);
