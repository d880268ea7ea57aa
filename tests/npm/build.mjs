// Bundles static_task.jsx with the packages of package-lock.json into dist/bundle.js, and chat_task.jsx into dist/chat.js.
import { build } from "esbuild";

await build({
  entryPoints: { bundle: "static_task.jsx", chat: "chat_task.jsx" },
  bundle: true,
  outdir: "dist",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  minify: true,
  target: "es2020",
  logLevel: "warning",
});
