const chosenIn = (place) => inputsIn(place).filter((input) => input.checked).map((input) => input.value);

/* Whether a value that names several, as a list or as marks, has this one. */
const has = (value, one) => (Array.isArray(value) ? value.includes(one) : value?.[one] === true);

addKind("box", {
  given: (place) => chosenIn(place),
  chosen: (place) => [String(inputOf(place).checked)],
  value: (place) => inputOf(place).checked,
  set: (place, value) => (inputOf(place).checked = Boolean(value)),
});

addKind("boxes", {
  given: chosenIn,
  value: (place) => Object.fromEntries(inputsIn(place).map((input) => [input.value, input.checked])),
  set: (place, value) => inputsIn(place).forEach((input) => (input.checked = has(value, input.value))),
});

addKind("radio", {
  given: chosenIn,
  value: (place) => chosenIn(place)[0] ?? null,
  set: (place, value) => inputsIn(place).forEach((input) => (input.checked = input.value === String(value))),
});

addKind("select", {
  given: (place) => [...inputOf(place).selectedOptions].map((option) => option.value).filter(Boolean),
  value(place) {
    return inputOf(place).multiple ? this.given(place) : inputOf(place).value;
  },
  set(place, value) {
    const list = inputOf(place);
    if (list.multiple) for (const option of list.options) option.selected = has(value, option.value);
    else list.value = value ?? "";
  },
});

rules.one_of = (wanted, given) => given.every((one) => wanted.includes(one));
rules.min_choices = (wanted, given) => given.filter(Boolean).length >= wanted;
rules.max_choices = (wanted, given) => given.length <= wanted;
