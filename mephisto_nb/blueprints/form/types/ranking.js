const KEYS = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity };
const MOVES = { up: -1, down: 1 };

const listIn = (place) => place.querySelector("ol");

const itemsIn = (place) => [...listIn(place).children];

const sureIn = (place) => place.querySelector("[data-mephisto-part]");

addKindOfParts("ranking", {
  given(place) {
    return [this.value(place) ?? []].flat();
  },
  chosen(place) {
    return this.given(place).slice(0, 1);
  },
  read: (place) => (sureIn(place).checked ? itemsIn(place).map((item) => item.dataset.option) : null),
  show(place, answer) {
    const order = Array.isArray(answer) ? answer : [];
    sureIn(place).checked = order.length > 0;
    const items = itemsIn(place);
    const sorted = order.map((one) => items.find((item) => item.dataset.option === one)).filter(Boolean);
    if (sorted.some((item, index) => item !== items[index])) listIn(place).prepend(...sorted);
    number(place);
  },
});

rules.order_of = (offered, given) => JSON.stringify([...given].sort()) === JSON.stringify([...offered].sort());

for (const place of body.querySelectorAll('[data-kind="ranking"]')) {
  const list = listIn(place);
  list.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-move]");
    if (button) move(place, button, MOVES[button.dataset.move]);
  });
  list.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(place, event.target.closest("button"), KEYS[event.key]);
  });
  list.addEventListener("pointerdown", (event) => drag(place, event));
}

function number(place) {
  const items = itemsIn(place);
  items.forEach((item, index) => {
    item.querySelector(".form-rank").textContent = index + 1;
    const [up, down] = item.querySelectorAll("[data-move]");
    up.setAttribute("aria-disabled", index === 0); // not disabled: who has moved it there would lose the focus
    down.setAttribute("aria-disabled", index === items.length - 1);
  });
}

/* Move the item that a button stands in by so many places, and keep the focus on the button. */
function move(place, button, by) {
  const items = itemsIn(place);
  const item = button.closest("li");
  const from = items.indexOf(item);
  const to = Math.min(items.length - 1, Math.max(0, from + by));
  if (put(place, item, to)) button.focus();
  settle(place);
  const name = item.querySelector(".form-ranked").textContent.trim();
  place.querySelector("[role=status]").textContent = `${name}: ${to + 1} of ${items.length}`;
}

/* Tell whether it was not there yet. */
function put(place, item, to) {
  const rest = itemsIn(place).filter((one) => one !== item);
  if (itemsIn(place).indexOf(item) === to) return false;
  listIn(place).insertBefore(item, rest[to] ?? null);
  number(place);
  return true;
}

/* Whoever has moved something has answered. */
function settle(place) {
  sureIn(place).checked = true;
  sureIn(place).dispatchEvent(new Event("input", { bubbles: true }));
}

/* An item follows the mouse; of a touch it follows that on its number alone, as all else scrolls the page. */
function drag(place, event) {
  const item = event.target.closest("li");
  const isGrip = event.pointerType === "mouse" || event.target.closest(".form-rank");
  if (item === null || event.button !== 0 || event.target.closest("button") || !isGrip || sureIn(place).disabled) return;
  event.preventDefault();
  let hasMoved = false;
  const follow = ({ clientY }) => {
    const rest = itemsIn(place).filter((one) => one !== item);
    const above = rest.filter((one) => middleOf(one) < clientY).length;
    hasMoved = put(place, item, above) || hasMoved;
  };
  const release = () => {
    item.classList.remove("form-dragged");
    for (const [name, listener] of Object.entries(listeners)) window.removeEventListener(name, listener);
    if (hasMoved) settle(place);
  };
  const listeners = { pointermove: follow, pointerup: release, pointercancel: release };
  for (const [name, listener] of Object.entries(listeners)) window.addEventListener(name, listener);
  item.classList.add("form-dragged");
}

function middleOf(item) {
  const { top, height } = item.getBoundingClientRect();
  return top + height / 2;
}
