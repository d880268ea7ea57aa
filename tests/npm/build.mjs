// Bundles static_task.jsx with the packages of package-lock.json into dist/bundle.js.
import { build } from "esbuild";

await build({
  entryPoints: ["static_task.jsx"],
  bundle: true,
  outfile: "dist/bundle.js",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  minify: true,
  target: "es2020",
  logLevel: "warning",
});
