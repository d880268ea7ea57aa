/* What was written and cannot be sent, or not now, is shown, to be copied and saved. */

const place = document.getElementById("kept");
const area = document.getElementById("kept-answer");

const MOST_SHOWN = 20_000;

let kept = null;

/* Show what was written: { text, data }, where `data` is what would have been sent. Nothing written: nothing shown. */
export function offer(written) {
  kept = written?.text ? written : null;
  place.hidden = kept === null;
  area.value = shortened(kept?.text ?? "");
}

/* Browsers take long to lay out a million letters; what is copied and saved is whole. */
const shortened = (text) => (text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text);

export const withdraw = () => offer(null);

export async function copy(button) {
  area.select();
  await navigator.clipboard?.writeText(kept.text).catch(() => {}); // it is selected: Ctrl+C does the rest
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
