// A chat on the unmodified npm package bootstrap-chat, as its users write one.
import React from "react";
import { createRoot } from "react-dom/client";
import { ChatApp, ChatMessage, DefaultTaskDescription } from "bootstrap-chat";

function RenderedMessage({ message, idx, mephistoContext, appContext }) {
  const { agentId } = mephistoContext;
  const { currentAgentNames } = appContext.taskContext;
  const isSelf = message.id === agentId || message.id in (currentAgentNames ?? {});
  return (
    <div data-testid="message">
      <ChatMessage isSelf={isSelf} agentName={isSelf ? "You" : message.id} message={message.text} key={idx} />
    </div>
  );
}

function MainApp() {
  return (
    <ChatApp
      renderMessage={(props) => <RenderedMessage {...props} />}
      renderSidePane={({ mephistoContext: { taskConfig } }) => (
        <DefaultTaskDescription chatTitle={taskConfig.chat_title} taskDescriptionHtml={taskConfig.task_description} />
      )}
    />
  );
}

createRoot(document.getElementById("app")).render(<MainApp />);
