/**
 * A table of any length: the kernel searches and sorts, and the page holds the rows that are on the screen.
 *
 * To the keyboard and to screen readers it is a grid (WAI-ARIA): one stop for Tab, arrows move in it, Enter opens a row or
 * sorts by a column, Space chooses, Ctrl+A chooses all that match.
 */

import { make, own, put, show, style, write } from "./dom.js";
import { number, plain } from "./words.js";

const ROW = 30;
const PAGE = 100;
/** The least time between two readings that nobody asked for, and how much of its time the kernel may spend on them. */
const REST = 250;
const MOST_REST = 10_000;
const SHARE = 10;

let gridNumber = 0;

/** Text that somebody else wrote. */
export function foreign(text) {
  const node = own();
  write(node, plain(text));
  return node;
}

/**
 * Make a grid.
 *
 * `columns`: { name, title, width (of a grid's track), sort (the column to sort by), draw(row) -> node or text, end (numbers) }.
 * `fetch({search, only, sort, down, start, count})` resolves to { total, all, rows, seconds }; `keyOf(row)`; `open(row)`.
 * `counted(found)` says how many there are in other words, or null.
 * `choose`: `ids(query)` resolves to all keys, `changed(keys)` is told.
 */
export function grid({ label, columns, fetch, keyOf, open, choose, empty, noun, counted = () => null, height = 330 }) {
  const id = `mnb-grid-${++gridNumber}`;
  const query = { search: "", only: "", sort: "", down: false };
  const chosen = new Set();
  const shown = new Map();
  let pages = new Map();
  let [total, all, active, column] = [0, 0, 0, 0];
  let [marked, lastAt, allOf, words, unread] = [null, 0, null, null, false];
  let [busy, again, wanted, timer, closed, cost] = [false, false, null, 0, false, 0];
  const fields = choose ? [{ name: "chosen", title: "", width: "34px" }, ...columns] : columns;

  const head = make("div", { role: "row", class: "mnb-grid-row mnb-grid-head", "aria-rowindex": 1 });
  const body = make("div", { role: "rowgroup", class: "mnb-grid-body" });
  const node = make(
    "div",
    { role: "grid", class: "mnb-grid", tabindex: 0, "aria-label": label, "aria-colcount": fields.length, "aria-multiselectable": choose ? "true" : null },
    make("div", { role: "rowgroup", class: "mnb-grid-top" }, head),
    body,
  );
  const message = make("p", { class: "mnb-empty" });
  const status = make("p", { class: "mnb-note mnb-grid-status", role: "status" });
  const root = make("div", { class: "mnb-grid-frame" }, node, message, status);
  style(node, "max-block-size", `${height}px`);
  style(node, "--tracks", fields.map((field) => field.width ?? "minmax(0, 1fr)").join(" "));

  const heads = fields.map((field, index) => {
    const mark = make("span", { class: "mnb-grid-mark", "aria-hidden": "true" });
    const title = field.name === "chosen" ? make("span", { class: "mnb-check" }) : make("span", {}, field.title);
    const cell = make("span", {
      role: "columnheader", id: `${id}-h${index}`, class: field.end ? "mnb-end" : null, "data-sorts": Boolean(field.sort),
      "aria-label": field.name === "chosen" ? "Choose all" : null,
    }, title, mark);
    cell.addEventListener("click", () => press(-1, index));
    return { cell, mark };
  });
  head.append(...heads.map(({ cell }) => cell));

  function drawHeads() {
    fields.forEach((field, index) => {
      const sorted = field.sort && field.sort === query.sort;
      put(heads[index].cell, "aria-sort", field.sort ? (sorted ? (query.down ? "descending" : "ascending") : "none") : null);
      write(heads[index].mark, sorted ? (query.down ? "▾" : "▴") : "");
      put(heads[index].cell, "data-active", active === -1 && column === index);
      if (field.name === "chosen") put(heads[index].cell, "data-all", areAllChosen());
    });
  }

  /** Tell whether all that match are chosen: as many may have been chosen where others matched. */
  function areAllChosen() {
    return total > 0 && chosen.size >= total && allOf === `${query.search}\n${query.only}`;
  }

  function rowAt(index) {
    return pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  function makeRow(index) {
    const cells = fields.map((field, place) => {
      const cell = make("span", { role: "gridcell", id: `${id}-${index}-${place}`, "aria-colindex": place + 1, class: field.end ? "mnb-end" : null });
      cell.addEventListener("click", (event) => {
        event.preventDefault();
        press(index, place);
      });
      return cell;
    });
    const line = make("div", { role: "row", class: "mnb-grid-row", "aria-rowindex": index + 2 }, ...cells);
    style(line, "inset-block-start", `${index * ROW}px`);
    return { line, cells, data: undefined };
  }

  function drawRow(index) {
    if (!shown.has(index)) {
      shown.set(index, makeRow(index));
      body.append(shown.get(index).line);
    }
    const row = shown.get(index);
    const data = rowAt(index);
    if (data !== row.data) {
      row.data = data;
      fields.forEach((field, place) => {
        const drawn = data === undefined ? "" : field.name === "chosen" ? make("span", { class: "mnb-check" }) : field.draw(data);
        row.cells[place].replaceChildren(drawn ?? "");
      });
    }
    if (choose) put(row.line, "aria-selected", data !== undefined && chosen.has(keyOf(data)) ? "true" : "false");
    row.cells.forEach((cell, place) => put(cell, "data-active", index === active && place === column));
    put(row.line, "data-here", index === active);
    put(row.line, "aria-current", data !== undefined && marked !== null && keyOf(data) === marked ? "true" : null);
  }

  /** Draw the rows on the screen and a few around them; ask for those that are not here. */
  function draw() {
    if (closed) return;
    const first = Math.max(0, Math.floor(node.scrollTop / ROW) - 6);
    const last = Math.min(total - 1, Math.ceil((node.scrollTop + Math.max(node.clientHeight, height)) / ROW) + 6);
    for (const [index, row] of shown) {
      if (index >= first && index <= last) continue;
      row.line.remove();
      shown.delete(index);
    }
    for (let index = first; index <= last; index++) drawRow(index);
    drawHeads();
    put(node, "aria-activedescendant", total > 0 || active === -1 ? (active === -1 ? heads[column].cell.id : `${id}-${active}-${column}`) : null);
    for (const page of new Set([Math.floor(first / PAGE), Math.floor(Math.max(0, last) / PAGE)])) {
      if (total > 0 && !pages.has(page)) read(page);
    }
  }

  function measure() {
    style(body, "block-size", `${total * ROW}px`);
    put(node, "aria-rowcount", total + 1);
    show(node, all > 0);
    show(message, total === 0);
    write(message, all === 0 ? empty : "Nothing matches.");
    const picked = chosen.size > 0 ? `, ${number(chosen.size)} chosen` : "";
    write(status, all === 0 ? "" : words ?? (total === all ? `${number(all)} ${all === 1 ? noun : `${noun}s`}` : `${number(total)} of ${number(all)} ${noun}s`) + picked);
  }

  /** Read a page; one at a time, and of those that are wanted meanwhile the last. */
  async function read(page, fresh = false) {
    if (busy) {
      wanted = page;
      again ||= fresh;
      return;
    }
    busy = true;
    const asked = JSON.stringify(query);
    try {
      const found = await fetch({ ...query, start: page * PAGE, count: PAGE });
      cost = (found.seconds ?? 0) * 1000;
      if (asked === JSON.stringify(query)) {
        unread = false;
        if (fresh) pages = new Map();
        pages.set(page, found.rows);
        [total, all, words] = [found.total, found.all, counted(found)];
        active = Math.min(active, total - 1);
        measure();
      }
    } catch (error) {
      if (unread) {
        [pages, total, words] = [new Map(), 0, null];
        measure();
        write(message, "Nothing is listed: what was asked for could not be read.");
      }
      write(status, plain(error.message));
    }
    busy = false;
    if (closed) return;
    if (again || wanted !== null) {
      const next = wanted ?? 0;
      const anew = again;
      [again, wanted] = [false, null];
      if (anew || !pages.has(next)) await read(next, anew);
    }
    draw();
  }

  function refresh() {
    return read(Math.max(0, Math.floor(node.scrollTop / ROW / PAGE)), true);
  }

  function ask(changes) {
    Object.assign(query, changes);
    node.scrollTop = 0;
    active = Math.min(active, 0);
    unread = true;
    return read(0, true);
  }

  function told() {
    measure();
    draw();
    choose?.changed([...chosen]);
  }

  async function toggleAll() {
    if (areAllChosen()) chosen.clear();
    else {
      const asked = { ...query };
      for (const key of await choose.ids(asked)) chosen.add(key);
      allOf = `${asked.search}\n${asked.only}`;
    }
    told();
  }

  function toggle(index) {
    const data = rowAt(index);
    if (data === undefined) return;
    const key = keyOf(data);
    if (!chosen.delete(key)) chosen.add(key);
    else allOf = null;
    told();
  }

  function press(index, place) {
    [active, column] = [index, place];
    const field = fields[place];
    if (field.name === "chosen") {
      if (index === -1) toggleAll();
      else toggle(index);
    } else if (index === -1 && field.sort) {
      ask({ sort: field.sort, down: query.sort === field.sort ? !query.down : Boolean(field.end) });
    } else if (index >= 0 && rowAt(index) !== undefined) {
      open?.(rowAt(index));
    }
    draw();
  }

  function move(to) {
    active = Math.max(-1, Math.min(total - 1, to));
    if (active >= 0) {
      const top = active * ROW;
      const height = node.clientHeight - ROW;
      if (top < node.scrollTop) node.scrollTop = top;
      else if (top + ROW > node.scrollTop + height) node.scrollTop = top + ROW - height;
    }
    draw();
  }

  const leaps = () => Math.max(1, Math.floor(node.clientHeight / ROW) - 2);
  const keys = {
    ArrowDown: () => move(active + 1),
    ArrowUp: () => move(active - 1),
    PageDown: () => move(active + leaps()),
    PageUp: () => move(Math.max(0, active - leaps())),
    ArrowRight: () => { column = Math.min(fields.length - 1, column + 1); draw(); },
    ArrowLeft: () => { column = Math.max(0, column - 1); draw(); },
    Home: (event) => { column = 0; if (event.ctrlKey) move(0); else draw(); },
    End: (event) => { column = fields.length - 1; if (event.ctrlKey) move(total - 1); else draw(); },
    Enter: () => press(active, column),
    " ": () => (choose && active >= 0 ? toggle(active) : press(active, column)),
  };
  node.addEventListener("keydown", (event) => {
    const all = choose && (event.ctrlKey || event.metaKey) && event.key === "a";
    if (!all && (!(event.key in keys) || event.metaKey || event.altKey)) return;
    event.preventDefault();
    if (all) toggleAll();
    else keys[event.key](event);
  });
  node.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });

  return {
    node: root,
    grid: node,
    ask,
    /** The data have changed: read them anew, soon, and not more often than the kernel can bear. */
    changed() {
      if (timer !== 0) return; // however fast changes come, the reading that is due takes place
      const rest = Math.min(MOST_REST, Math.max(REST, SHARE * cost));
      timer = setTimeout(() => {
        timer = 0;
        lastAt = Date.now();
        refresh();
      }, Math.max(60, lastAt + rest - Date.now()));
    },
    refresh,
    chosen: () => [...chosen],
    /** Mark the row of a key as the one that is opened. */
    mark(key) {
      marked = key;
      draw();
    },
    forget() {
      chosen.clear();
      told();
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** Make the field over a grid in which somebody types what to search for. */
export function searchFor(table, label) {
  let timer = 0;
  const input = make("input", { type: "search", class: "mnb-search", placeholder: label, "aria-label": label });
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => table.ask({ search: input.value }), 120);
  });
  return input;
}
