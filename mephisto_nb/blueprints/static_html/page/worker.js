/* The page of a static_html task. */

import { getSample, getText } from "./api.js";
import { serve } from "./page.js";
import { persist } from "./patience.js";
import { show } from "./screens.js";
import { Task, canFollow, canGoOn, showPreview } from "./task.js";

serve({ open, preview, canFollow, canGoOn });

let html = null;

async function open(agentId, { init_task_data: data, deadline_in_seconds: seconds }, on) {
  html ??= await persist(() => getText("task.html"), on.trouble);
  const task = new Task(agentId, on.sent, on.refused);
  await task.open(html, data, seconds, on.ready);
  return task;
}

async function preview(config) {
  const data = config.has_sample ? await getSample() : {};
  if (config.has_preview) return showPreview(await getText("preview.html"), data);
  if (config.has_sample) return showPreview(await getText("task.html"), data);
  show("preview");
}
