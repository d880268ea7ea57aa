const UNSET = "Not set yet";

const rangeIn = (place) => place.querySelector("[type=range]");

addKindOfParts("slider", {
  chosen(place) {
    return this.given(place).map(String);
  },
  read: (place) => rangeIn(place).valueAsNumber,
  show(place, answer) {
    const isSet = typeof answer === "number";
    place.querySelector(".form-slider").toggleAttribute("data-untouched", !isSet);
    place.querySelector("output").value = isSet ? answer : UNSET;
    if (isSet) rangeIn(place).value = answer;
    if (isSet) rangeIn(place).removeAttribute("aria-valuetext");
    else rangeIn(place).setAttribute("aria-valuetext", UNSET);
  },
});

rules.on_scale = ([least, most, step], given) =>
  given.every((one) => one >= least && one <= most && Math.abs((one - least) / step - Math.round((one - least) / step)) < 1e-6);

/* Who means just the place where an untouched slider stands says so by a click, Space or Enter. */
body.addEventListener("click", ({ target }) => settle(target), { signal });
body.addEventListener("keydown", (event) => {
  if ([" ", "Enter"].includes(event.key) && settle(event.target)) event.preventDefault();
}, { signal });

function settle(range) {
  if (!range.matches("[data-untouched] > [type=range]") || range.disabled) return false;
  range.dispatchEvent(new Event("input", { bubbles: true }));
  return true;
}
