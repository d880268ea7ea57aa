// A remote procedure task as the users of Mephisto 1.x write it, on the unmodified mephisto-task package.
import { useEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { useMephistoRemoteProcedureTask } from "mephisto-task";

function Task({ data, previous, remoteProcedure, onSubmit, onTell }) {
  const [text, setText] = useState("");
  const [answers, setAnswers] = useState([]);

  async function call(name, args) {
    const answer = await remoteProcedure(name)(args);
    setAnswers((before) => [...before, answer?.error ? `error: ${answer.error.message}` : answer]);
  }

  return (
    <section>
      <blockquote data-testid="text">{data.text}</blockquote>
      <p data-testid="previous">{previous.map((one) => one.response_json).join(" ")}</p>
      <label>
        Words <input value={text} onChange={(event) => setText(event.target.value)} />
      </label>
      <button onClick={() => call("shout", { text })}>Shout</button>
      <button onClick={() => call("wait", { text })}>Wait</button>
      <button onClick={() => call("fail", { text })}>Fail</button>
      <button onClick={() => onTell({ type: "feedback", text })}>Tell</button>
      <ol data-testid="answers">
        {answers.map((answer, index) => (
          <li key={index}>{String(answer)}</li>
        ))}
      </ol>
      <button onClick={() => onSubmit({ answers })}>Submit</button>
    </section>
  );
}

function App() {
  const task = useMephistoRemoteProcedureTask({});
  const { blockedReason, blockedExplanation, isPreview, initialTaskData, connectionStatus, disconnectIssueText } = task;
  const statuses = useRef([]);
  useEffect(() => {
    statuses.current.push(connectionStatus);
    document.getElementById("link").textContent = statuses.current.join(" ");
  }, [connectionStatus]);

  if (blockedReason !== null) return <p role="alert">{blockedExplanation ?? blockedReason}</p>;
  if (isPreview) return <p data-testid="preview">A preview of the task.</p>;
  return (
    <main data-agent-id={task.agentId}>
      <p data-testid="trouble">{disconnectIssueText}</p>
      {initialTaskData && (
        <Task
          data={initialTaskData.task_data}
          previous={initialTaskData.previous_requests}
          remoteProcedure={task.remoteProcedure}
          onSubmit={task.handleSubmit}
          onTell={task.handleMetadataSubmit}
        />
      )}
    </main>
  );
}

const link = document.createElement("output");
link.id = "link";
document.body.append(link);
createRoot(document.getElementById("app")).render(<App />);
