// Marking spans of a text, with React. `spans.js` beside this file is its build:
// cd tests/npm && npm ci && npm run build, then copy dist/spans.js here.
import { useEffect, useMemo, useRef, useState } from "react";
import { createRoot } from "react-dom/client";

// So many of a kind are told apart by colour; a label's name stands in the mark, for those who see no colours.
const COLOURS = ["#ffd97a", "#9fd8ff", "#c8efa6", "#f7b7d2", "#d5c8ff", "#ffc7a6"];
const STYLE = `
  main { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; font: 1.05rem/1.7 system-ui, sans-serif; }
  .text { padding: 1rem; border: 1px solid #bbb; border-radius: 8px; white-space: pre-wrap; user-select: text; }
  mark { padding: 0.15rem 0.2rem; border-radius: 4px; color: #111; }
  mark sup { margin-left: 0.25rem; user-select: none; font-size: 0.7rem; }
  button { margin: 0.2rem; padding: 0.5rem 0.9rem; border: 1px solid #555; border-radius: 6px; background: #fff; color: #111; font: inherit; cursor: pointer; }
  button[aria-pressed="true"] { outline: 3px solid #111; }
  button:disabled { opacity: 0.5; cursor: default; }
  [role="alert"] { color: #a00; }
`;

// Where a point of the selection lies in the text, counting only characters of the text itself.
function offsetOf(root, node, offset) {
  const before = document.createRange();
  before.setStart(root, 0);
  before.setEnd(node, offset);
  const piece = before.cloneContents();
  for (const label of piece.querySelectorAll("sup")) label.remove();
  return piece.textContent.length;
}

function piecesOf(text, spans) {
  const pieces = [];
  let at = 0;
  for (const span of [...spans].sort((one, other) => one.start - other.start)) {
    if (span.start > at) pieces.push({ text: text.slice(at, span.start), start: at });
    pieces.push({ text: text.slice(span.start, span.end), start: span.start, span });
    at = span.end;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), start: at });
  return pieces;
}

function Spans({ text, labels, question, onSubmit }) {
  const [label, setLabel] = useState(labels[0]);
  const [spans, setSpans] = useState([]);
  const [sent, setSent] = useState(false);
  const [trouble, setTrouble] = useState("");
  const root = useRef(null);
  const pieces = useMemo(() => piecesOf(text, spans), [text, spans]);
  const colourOf = (name) => COLOURS[labels.indexOf(name) % COLOURS.length];

  function take() {
    const selection = window.getSelection();
    if (selection.isCollapsed || !root.current.contains(selection.anchorNode)) return;
    if (!root.current.contains(selection.focusNode)) return;
    const ends = [
      offsetOf(root.current, selection.anchorNode, selection.anchorOffset),
      offsetOf(root.current, selection.focusNode, selection.focusOffset),
    ].sort((one, other) => one - other);
    selection.removeAllRanges();
    // Blanks at the ends are slips of the hand.
    const marked = text.slice(...ends);
    const start = ends[0] + (marked.length - marked.trimStart().length);
    const end = ends[1] - (marked.length - marked.trimEnd().length);
    if (start >= end) return;
    const apart = spans.filter((span) => span.end <= start || span.start >= end);
    setSpans([...apart, { start, end, label, text: text.slice(start, end) }]);
  }

  async function submit() {
    setSent(true);
    setTrouble("");
    try {
      await onSubmit({ spans: [...spans].sort((one, other) => one.start - other.start) });
    } catch (error) {
      setSent(false);
      setTrouble(`It could not be sent: ${error.message}`);
    }
  }

  return (
    <main>
      <style>{STYLE}</style>
      <h1>{question}</h1>
      <p>Choose a label, then select words with the mouse or your finger. Select a mark again to change it.</p>
      <div role="group" aria-label="Labels">
        {labels.map((name) => (
          <button key={name} aria-pressed={name === label} style={{ background: colourOf(name) }} onClick={() => setLabel(name)}>
            {name}
          </button>
        ))}
      </div>
      <p className="text" ref={root} onMouseUp={take} onTouchEnd={() => setTimeout(take)} dir="auto">
        {pieces.map(({ text: part, start, span }) =>
          span ? (
            <mark key={start} style={{ background: colourOf(span.label) }}>
              {part}
              <sup>{span.label}</sup>
            </mark>
          ) : (
            <span key={start}>{part}</span>
          ),
        )}
      </p>
      <ul aria-label="Marked">
        {spans.map((span) => (
          <li key={span.start}>
            {span.label}: {span.text} <button onClick={() => setSpans(spans.filter((one) => one !== span))}>Remove</button>
          </li>
        ))}
      </ul>
      {trouble && <p role="alert">{trouble}</p>}
      <button disabled={sent} onClick={submit}>
        {spans.length ? "Send" : "Send: nothing to mark"}
      </button>
    </main>
  );
}

// window.mephisto comes with the page: it hands over the text, and sends the answer until it has arrived.
function App() {
  const [task, setTask] = useState(null);
  const [refused, setRefused] = useState("");
  useEffect(() => {
    window.mephisto.begin().then(setTask, (error) => setRefused(error.message));
  }, []);
  if (refused) return <p role="alert">{refused}</p>;
  if (task === null) return <p role="status">Getting your task ready…</p>;
  const { labels = ["person", "place"], question = "Who, and where?" } = task.config;
  if (task.isPreview) {
    return <Spans text="Ada met Charles in London." labels={labels} question={`Preview: ${question}`} onSubmit={async () => {}} />;
  }
  return <Spans text={task.data.text} labels={labels} question={question} onSubmit={window.mephisto.submit} />;
}

createRoot(document.getElementById("app")).render(<App />);
