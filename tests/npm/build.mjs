// Bundles each task with the packages of package-lock.json into dist/.
import { build } from "esbuild";

await build({
  entryPoints: {
    bundle: "static_task.jsx",
    chat: "chat_task.jsx",
    remote: "remote_task.jsx",
    spans: "../../notebooks/spans/spans.jsx",
  },
  bundle: true,
  outdir: "dist",
  // The notebook's source lies beside no packages of its own.
  nodePaths: ["node_modules"],
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  minify: true,
  legalComments: "none",
  target: "es2020",
  logLevel: "warning",
});
