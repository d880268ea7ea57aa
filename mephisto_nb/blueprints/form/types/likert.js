const rowsIn = (place) => [...place.querySelectorAll("[data-statement]")];

const pickedIn = (row) => inputsIn(row).find((input) => input.checked)?.value;

/* The radio buttons of a row belong together by a name, which no field can have. */
for (const place of body.querySelectorAll('[data-kind="likert"]')) {
  rowsIn(place).forEach((row, index) => inputsIn(row).forEach((input) => (input.name = `${place.dataset.field}#${index}`)));
}

addKindOfParts("likert", {
  chosen(place) {
    return this.given(place).flatMap((answer) => Object.values(answer));
  },
  read(place) {
    const picked = rowsIn(place).map((row) => [row.dataset.statement, pickedIn(row)]);
    const answer = Object.fromEntries(picked.filter(([, option]) => option !== undefined));
    return Object.keys(answer).length > 0 ? answer : null;
  },
  show(place, answer) {
    for (const row of rowsIn(place)) {
      const option = answer?.[row.dataset.statement];
      for (const input of inputsIn(row)) input.checked = input.value === option;
    }
  },
  /* Each row that was left out is told so; what else there is to say stands at the first. */
  judged(place, message) {
    const rows = rowsIn(place);
    const demands = JSON.parse(place.dataset.checks);
    const isOfRows = demands.some(([rule, , words]) => rule === "every_row" && words === message);
    for (const row of rows) {
      const isMarked = isOfRows ? pickedIn(row) === undefined : row === rows[0];
      setValidity(inputsIn(row)[0], isMarked ? message : "");
    }
  },
});

rules.in_matrix = ([statements, options], given) =>
  given.every((answer) => Object.entries(answer).every(([row, one]) => statements.includes(row) && options.includes(one)));
rules.every_row = (statements, given) => given.every((answer) => statements.every((row) => Object.hasOwn(answer, row)));
