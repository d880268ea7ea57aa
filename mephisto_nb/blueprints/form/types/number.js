addKind("number", {
  given: (place) => [inputOf(place).valueAsNumber].filter((number) => !Number.isNaN(number)).map(String),
});

rules.number = (_, given) => given.every((one) => Math.abs(Number(one)) < 1e300);
rules.min = (wanted, given) => given.every((one) => Number(one) >= wanted);
rules.max = (wanted, given) => given.every((one) => Number(one) <= wanted);
rules.step = (wanted, given) => given.every((one) => Math.abs(one / wanted - Math.round(one / wanted)) < 1e-9);
rules.date = (_, given) => given.every((one) => /^\d{4}-\d{2}-\d{2}$/.test(one)); // a browser takes years of six digits, too
