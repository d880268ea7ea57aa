// A static task as the users of Mephisto 1.x write it, on the unmodified mephisto-task package.
import { useState } from "react";
import { createRoot } from "react-dom/client";
import { useMephistoTask } from "mephisto-task";

const MOODS = ["happy", "sad", "neither"];

function Task({ text, onSubmit }) {
  const [label, setLabel] = useState(null);

  function submit(event) {
    event.preventDefault();
    onSubmit({ label, text_length: text.length, moods: MOODS });
  }

  return (
    <form onSubmit={submit}>
      <h1>How does this sound?</h1>
      <blockquote data-testid="text">{text}</blockquote>
      <fieldset>
        <legend>Mood</legend>
        {MOODS.map((mood) => (
          <label key={mood}>
            <input type="radio" name="mood" checked={label === mood} onChange={() => setLabel(mood)} />
            {mood}
          </label>
        ))}
      </fieldset>
      <button type="submit" disabled={label === null}>
        Submit
      </button>
    </form>
  );
}

function Introduction({ question, onSubmit }) {
  const [answer, setAnswer] = useState("");

  function submit(event) {
    event.preventDefault();
    onSubmit({ answer });
  }

  return (
    <form onSubmit={submit}>
      <h1>Before you begin</h1>
      <label>
        {question} <input value={answer} onChange={(event) => setAnswer(event.target.value)} />
      </label>
      <button type="submit">Hand in</button>
    </form>
  );
}

function App() {
  const {
    blockedReason, blockedExplanation, isPreview, isLoading, isOnboarding, initialTaskData, taskConfig, agentId,
    handleSubmit,
  } = useMephistoTask();

  if (blockedReason !== null) return <p role="alert">{blockedExplanation ?? blockedReason}</p>;
  if (isPreview) return <p data-testid="preview">{taskConfig?.task_title ?? "A preview of the task."}</p>;
  if (isLoading || !initialTaskData) return <p role="status">Loading</p>;
  return (
    <main data-agent-id={agentId}>
      {isOnboarding ? (
        <Introduction question={initialTaskData.question} onSubmit={handleSubmit} />
      ) : (
        <Task text={initialTaskData.text} onSubmit={handleSubmit} />
      )}
    </main>
  );
}

createRoot(document.getElementById("app")).render(<App />);
