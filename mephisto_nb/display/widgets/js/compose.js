/** Who would qualify: requirements composed by hand, who passes, and why each other does not. */

import { nameField } from "./ask.js";
import { make, show, style, write } from "./dom.js";
import { foreign, grid, searchFor } from "./grid.js";
import { count, number, percent, plain } from "./words.js";

const COMPARATORS = [
  ["Exists", "is held"], ["DoesNotExist", "is not held"],
  ["GreaterThanOrEqualTo", "is at least"], ["GreaterThan", "is more than"],
  ["LessThanOrEqualTo", "is at most"], ["LessThan", "is less than"],
  ["EqualTo", "is"], ["NotEqualTo", "is not"], ["In", "is one of"], ["NotIn", "is none of"],
];
const WITHOUT = new Set(["Exists", "DoesNotExist"]);
const LISTS = new Set(["In", "NotIn"]);

function valueOf(comparator, text) {
  if (WITHOUT.has(comparator)) return null;
  const numbers = text.split(/[\s,]+/).filter((one) => one !== "").map(Number);
  if (numbers.length === 0 || numbers.some((one) => !Number.isInteger(one))) return undefined;
  return LISTS.has(comparator) ? numbers : numbers.length === 1 ? numbers[0] : undefined;
}

function requirementRow(names, given, changed, remove) {
  const name = nameField(names, given?.qualification_name ?? "");
  name.input.setAttribute("aria-label", "Qualification");
  name.input.placeholder = "qualification";
  const options = COMPARATORS.map(([value, words]) => make("option", { value }, words));
  const comparator = make("select", { "aria-label": "Comparator" }, ...options);
  comparator.value = given?.comparator ?? "Exists";
  const value = make("input", { type: "text", inputmode: "numeric", "aria-label": "Value", class: "mnb-short", value: [given?.value ?? ""].flat().join(", ") });
  const gone = make("button", { type: "button", class: "mnb-quiet", "aria-label": "Remove this requirement", click: () => remove(node) }, "×");
  const node = make("div", { class: "mnb-requirement" }, name.input, name.nodes[1], comparator, value, gone);
  const react = () => {
    show(value, !WITHOUT.has(comparator.value));
    changed();
  };
  for (const input of [name.input, comparator, value]) input.addEventListener("input", react);
  show(value, !WITHOUT.has(comparator.value));
  return {
    node,
    focus: () => name.input.focus(),
    read() {
      const wanted = valueOf(comparator.value, value.value);
      if (name.value().trim() === "" || wanted === undefined) return null;
      return { qualification_name: name.value(), comparator: comparator.value, value: wanted, applicable_providers: null };
    },
  };
}

/** Say in Python what was composed. */
function asPython(requirements) {
  const inner = requirements.map(({ qualification_name: name, comparator, value }) => {
    const given = value === null ? "" : `, ${Array.isArray(value) ? `[${value.join(", ")}]` : value}`;
    return `mnb.make_requirement(${JSON.stringify(name)}, "${comparator}"${given})`;
  });
  return `qualifications=[${inner.join(", ")}]`;
}

/** Make the section. */
export function composer(kernel) {
  const rows = make("div", { class: "mnb-requirements" });
  const known = [];
  let names = [];
  let [rev, turn, timer, due, sent] = [null, 0, 0, 0, ""];
  const figure = make("p", { class: "mnb-passes", role: "status" });
  const fill = make("span", { class: "mnb-piece mnb-passed", "data-unit": "completed" });
  const bar = make("span", { class: "mnb-bar mnb-thin", "aria-hidden": "true" }, fill);
  const reasons = make("ul", { class: "mnb-reasons" });
  const code = make("code", { class: "mnb-code", tabindex: 0, role: "textbox", "aria-readonly": "true", "aria-label": "The same in Python" });
  const table = grid({
    label: "Who would qualify",
    noun: "worker",
    height: 240,
    empty: "No worker is known yet.",
    keyOf: (row) => row.worker_id,
    fetch: (query) => kernel.ask("rows", { table: "eligibility", ...query }),
    columns: [
      { name: "worker_name", title: "Worker", sort: "worker_name", width: "minmax(0, 1fr)", draw: (row) => foreign(row.worker_name) },
      { name: "passes", title: "Let in", sort: "passes", width: "64px", draw: (row) => make("span", { class: row.passes ? "mnb-yes" : "mnb-no" }, row.passes ? "yes" : "no") },
      { name: "reason", title: "Because", sort: "reason", width: "minmax(0, 1.6fr)", draw: (row) => foreign(row.reason ?? "") },
    ],
  });
  const only = make("select", { "aria-label": "Which workers", input: () => table.ask({ only: only.value }) },
    ...[["", "all workers"], ["passes", "those let in"], ["fails", "those not let in"]].map(([value, words]) => make("option", { value }, words)));
  const add = make("button", { type: "button", class: "mnb-button", click: () => append(null).focus() }, "Add a requirement");
  const node = make("section", { class: "mnb-compose", "aria-label": "Who would qualify" },
    make("h4", {}, "Who would qualify"), rows, make("div", { class: "mnb-line" }, add, code), figure, bar, reasons,
    make("div", { class: "mnb-line" }, searchFor(table, "Search workers and reasons"), only), table.node);

  function append(given) {
    const row = requirementRow(names, given, soon, (gone) => {
      known.splice(known.findIndex((one) => one.node === gone), 1);
      gone.remove();
      add.focus();
      soon();
    });
    known.push(row);
    rows.append(row.node);
    return row;
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(compose, 150);
  }

  /** The data have changed: ask again, however fast more changes come. */
  function later() {
    due ||= setTimeout(() => {
      due = 0;
      compose();
    }, 300);
  }

  async function compose() {
    const mine = ++turn;
    const requirements = known.map((row) => row.read()).filter((one) => one !== null);
    sent = JSON.stringify(requirements);
    write(code, requirements.length ? asPython(requirements) : "");
    show(code, requirements.length > 0);
    try {
      const { passes, all, reasons: why } = await kernel.ask("compose", { requirements });
      if (mine !== turn) return;
      write(figure, all === 0 ? "" : `${number(passes)} of ${count(all, "known worker")} would be let in (${percent(passes, all)} %)`);
      show(bar, all > 0);
      style(fill, "inline-size", `${all > 0 ? (100 * passes) / all : 0}%`);
      reasons.replaceChildren(...why.map(([reason, many]) => make("li", {}, make("b", {}, number(many)), " × ", foreign(reason))));
      table.changed();
    } catch (error) {
      write(figure, plain(error.message));
    }
  }

  return {
    node,
    draw(state) {
      names = state.names;
      const composed = JSON.stringify(state.composed);
      if (rev === null || (composed !== sent && turn > 0 && !node.contains(document.activeElement))) {
        known.splice(0).forEach((row) => row.node.remove());
        state.composed.forEach(append);
        compose();
      } else if (state.rev !== rev) {
        later();
      }
      rev = state.rev;
    },
    close: table.close,
  };
}
