const SHOWN = { image: "img", audio: "audio", video: "video" };

addKind("file", {
  given: (place) => [...inputOf(place).files].map((file) => file.name),
  value: (place) => inputOf(place).files[0] ?? null,
  set: () => {}, // no script may choose a file
});

rules.extensions = (wanted, given) => given.every((one) => wanted.some((end) => one.toLowerCase().endsWith("." + end)));

body.addEventListener("input", preview, { signal });

/* Show what a file is, before it is sent. */
function preview({ target }) {
  const place = target.type === "file" ? target.closest(".form-field")?.querySelector(".form-preview") : null;
  if (!place) return;
  for (const old of place.querySelectorAll("[src]")) URL.revokeObjectURL(old.src);
  place.replaceChildren(...[...target.files].map(pictureOf));
}

function pictureOf(file) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = `${file.name} (${sizeOf(file)})`;
  const tag = SHOWN[file.type.split("/")[0]];
  if (tag) {
    const shown = document.createElement(tag);
    shown.src = URL.createObjectURL(file);
    if (tag === "img") shown.alt = "What you have chosen";
    else shown.controls = true;
    figure.append(shown);
  }
  figure.append(caption);
  return figure;
}

function sizeOf({ size }) {
  return size < 1e6 ? `${Math.ceil(size / 1e3)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}
