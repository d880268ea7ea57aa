/* What all kinds of fields share. A kind says what stands in a field's place in the page:
given(place): what was given, as a list, as the checks of Python know it; nothing is an empty list;
chosen(place): the same, as conditions name it;
value(place), set(place, value): as a researcher's own functions know it;
judged(place, message): make a demand that is not met the field's own validity; '' where all are met. */

const body = document.getElementById("task-body");
const form = document.getElementById("task-own-form");

/* Whether a demand is met by what was given, by its kind; checks.py and the families of types know the same. */
const rules = { required: (_, given) => given.length > 0 };
const kinds = {};

const inputsIn = (part) => [...part.querySelectorAll("input, select, textarea")];
const inputOf = (place) => (place.matches("input") ? place : place.querySelector("input, select, textarea"));

/* A kind with nothing of its own is one input, in which a text stands. */
function addKind(name, own = {}) {
  kinds[name] = {
    given(place) {
      const text = inputOf(place).value.trim();
      return text === "" ? [] : [text];
    },
    chosen(place) {
      return this.given(place);
    },
    value: (place) => inputOf(place).value,
    set: (place, value) => (inputOf(place).value = value ?? ""),
    judged: (place, message) => setValidity(inputOf(place), message),
    ...own,
  };
}

/* Where the browser says itself that this is no number, its words are enough. */
function setValidity(input, message) {
  input.setCustomValidity(input.validity.badInput ? "" : message);
}

/* A kind whose answer is more than a text: the answer stands as JSON in a hidden input, and what a person touches to
make it is marked as a part. `read(place)` gives the answer that the parts make, or null; `show(place, answer)` puts an
answer into the parts, one that was kept or filled in, too. */
function addKindOfParts(name, { read, show, ...own }) {
  const keeperIn = (place) => place.querySelector("[data-mephisto-json]");
  const answerIn = (place) => JSON.parse(keeperIn(place).value || "null");
  const keep = (place, answer) => {
    keeperIn(place).value = answer === null ? "" : JSON.stringify(answer);
    show(place, answer);
  };
  addKind(name, {
    given: (place) => [answerIn(place)].flat().filter((one) => one !== null),
    value: answerIn,
    set: (place, value) => keep(place, value ?? null),
    judged: (place, message) => setValidity(place.querySelector("[data-mephisto-part]"), message),
    ...own,
  });
  for (const place of body.querySelectorAll(`[data-kind="${name}"]`)) {
    place.addEventListener("input", ({ target }) => keep(place, target === keeperIn(place) ? answerIn(place) : read(place)));
    show(place, answerIn(place));
  }
}
