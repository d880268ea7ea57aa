/* What was written and cannot be sent, or not now, is shown, to be copied and saved. */

const place = document.getElementById("kept");
const area = document.getElementById("kept-answer");

let kept = null;

/* Show what was written: { text, data }, where `data` is what would have been sent. Nothing written: nothing shown. */
export function offer(written) {
  kept = written?.text ? written : null;
  place.hidden = kept === null;
  area.value = kept?.text ?? "";
}

export const withdraw = () => offer(null);

export async function copy(button) {
  area.select();
  await navigator.clipboard?.writeText(area.value).catch(() => {}); // it is selected: Ctrl+C does the rest
  button.textContent = "Copied";
}

export const saveText = () => save(`${kept.text}\n`, "text/plain", "txt");

export const saveJSON = () => save(`${JSON.stringify(kept.data, null, 2)}\n`, "application/json", "json");

function save(content, type, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = `answer-${new Date().toISOString().slice(0, 16).replace(/[T:]/g, "-")}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
