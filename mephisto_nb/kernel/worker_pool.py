"""Who is here, what they may do, and which unit they get.

The pool looks up what the rules need to know and hands them each packet; the rules decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mephisto_nb._typing import JSON, JSONObject
from mephisto_nb.kernel.writer import in_thread
from mephisto_nb.model.gates import HeldArrival, OnboardingAgent
from mephisto_nb.model.packets import PacketType, Received
from mephisto_nb.model.records import PAGE_ERROR, Agent, Submission, WorkerFacts
from mephisto_nb.model.states import AgentStatus
from mephisto_nb.ports.blueprint import Blueprint
from mephisto_nb.ports.crowd_provider import CrowdProvider, Identity
from mephisto_nb.ports.database import Database
from mephisto_nb.rules.arrivals import Arrival, Held, Outcome, answer, arrive
from mephisto_nb.rules.departures import leave
from mephisto_nb.rules.eligibility import Refusal, RefusalCode
from mephisto_nb.rules.gates.passing import hand_in
from mephisto_nb.rules.step import Step
from mephisto_nb.rules.submissions import submit
from mephisto_nb.utils.logging import get_logger

if TYPE_CHECKING:
    from mephisto_nb.kernel.can_do_unit import Verdicts

#: Of what a worker's page reports as an error, this many characters are kept.
_ERROR_LENGTH, _ERROR_KEY_LENGTH = 4000, 100
#: What a worker hears whose registration our side could not handle.
_NOT_UNDERSTOOD = Refusal(
    RefusalCode.BAD_REGISTRATION, "Something went wrong on our side, so you cannot be given work now. Sorry!"
)

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was looked up for a batch of packets: who registers (or why nobody does), and what is known of them."""

    identities: Mapping[int, Identity | Refusal]
    facts: Mapping[str, WorkerFacts]


class WorkerPool:
    """Handles the packets of one run's workers.

    Parameters
    ----------
    task_run_id
        The run.
    blueprint, provider
        Its kind of task, and its crowd.
    database
        Where workers are looked up.
    verdicts
        Who asks the researcher's `worker_can_do_unit`, where it is async.
    """

    def __init__(
        self,
        task_run_id: str,
        blueprint: Blueprint[Any],
        provider: CrowdProvider[Any],
        database: Database,
        verdicts: Verdicts | None = None,
    ) -> None:
        self._task_run_id = task_run_id
        self._blueprint, self._provider, self._database = blueprint, provider, database
        self._verdicts = verdicts
        if verdicts is not None:
            verdicts.decide = self._decide
        #: Makes what a page is handed of what its agent works on.
        self.page_data: Callable[[Step, Agent, JSON], JSON] = lambda step, agent, init_data: init_data
        self._rules: Mapping[PacketType, Callable[[Step, Received], None]] = {
            PacketType.SUBMIT_UNIT: _submit,
            PacketType.SUBMIT_ONBOARDING: _hand_in_onboarding,
            PacketType.SUBMIT_METADATA: _add_metadata,
            PacketType.LIVE_UPDATE_TO_OPERATOR: _add_live_update,
            PacketType.LOG_ERROR: _log_error,
            PacketType.RETURN_UNIT: _return,
            PacketType.AGENT_DISCONNECTED: _disconnect,
        }

    async def prepare(self, received: Sequence[Received]) -> Prepared:
        """Find out who registers, and what is known of them: one look-up for the whole batch."""
        identities = {
            message.seq: self._identify(message.packet.data)
            for message in received
            if message.packet.packet_type is PacketType.REGISTER_AGENT
        }
        names = sorted({found.worker_name for found in identities.values() if isinstance(found, Identity)})
        facts: Mapping[str, WorkerFacts] = {}
        if names:
            facts = await in_thread(
                self._database.people.get_worker_facts, self._task_run_id, self._provider.PROVIDER_TYPE, names
            )
        return Prepared(identities, facts)

    def handle(self, step: Step, received: Received, prepared: Prepared) -> None:
        """Apply the rule for one packet."""
        packet_type = received.packet.packet_type
        if packet_type is PacketType.REGISTER_AGENT:
            self._register(step, received, prepared)
        elif rule := self._rules.get(packet_type):
            rule(step, received)
        else:
            step.log("run", self._task_run_id, None, None, f"a packet {packet_type.value!r} has no meaning", "router")

    def set_aside(self, step: Step, received: Received) -> None:
        """Tell a page that waits for an agent that it gets none."""
        if received.packet.packet_type is PacketType.REGISTER_AGENT:
            answer(step, received.packet.subject_id, _NOT_UNDERSTOOD)
        elif received.packet.packet_type is PacketType.SUBMIT_ONBOARDING:
            _refuse_onboarding(step, received)

    def init_data(self, step: Step, agent: Agent) -> JSON:
        """Give what an agent's page is handed to work on."""
        unit = step.state.units[agent.unit_id]
        assignment, hidden = step.state.assignments[unit.assignment_id], step.state.rules.gates.hidden
        parts = (assignment.shared, assignment.own_data(unit.unit_index))
        shown = (
            [{key: value for key, value in part.items() if key not in hidden} for part in parts] if hidden else parts
        )
        return self._blueprint.get_init_data(*shown)

    async def look_up(self, worker_name: str) -> WorkerFacts:
        """Give what is known of one worker."""
        names, provider_type = [worker_name], self._provider.PROVIDER_TYPE
        found = await in_thread(self._database.people.get_worker_facts, self._task_run_id, provider_type, names)
        return found.get(worker_name, WorkerFacts())

    def answer(self, step: Step, asked: Arrival | HeldArrival, outcome: Outcome) -> None:
        """Answer a page that asked for work, unless it has to wait."""
        if isinstance(outcome, Held):
            return
        if self._verdicts is not None and isinstance(outcome, Refusal) and self._verdicts.puts_off(step, asked):
            return
        data: JSON = None
        if isinstance(outcome, Agent):
            data = self.page_data(step, outcome, self._blueprint.get_page_data(self.init_data(step, outcome)))
        elif isinstance(outcome, OnboardingAgent):
            introduction = step.state.rules.gates.introduction
            data = None if introduction is None else introduction.page_data
        answer(step, asked.request_id, outcome, data)

    def _identify(self, data: JSONObject) -> Identity | Refusal:
        provider_data = data.get("provider_data")
        try:
            if not isinstance(provider_data, dict):
                raise ValueError("The page did not say who you are. Open the task's link again.")  # noqa: TRY004
            return self._provider.identify(provider_data)
        except ValueError as error:
            return Refusal(RefusalCode.BAD_REGISTRATION, str(error))
        except Exception:
            logger.exception("the provider could not tell who a registration comes from")
            return _NOT_UNDERSTOOD

    def _register(self, step: Step, received: Received, prepared: Prepared) -> None:
        request_id, identity = received.packet.subject_id, prepared.identities[received.seq]
        if isinstance(identity, Refusal):
            answer(step, request_id, identity)
            return
        facts = prepared.facts.get(identity.worker_name, WorkerFacts())
        self._decide(step, Arrival(request_id, identity.worker_name, identity.registration_id, facts))

    def _decide(self, step: Step, arrival: Arrival) -> None:
        if self._verdicts is not None:
            self._verdicts.begin()
        self.answer(step, arrival, arrive(step, arrival))


def _submit(step: Step, received: Received) -> None:
    data = received.packet.data
    files = data.get("files", [])
    submit(step, Submission(received.packet.subject_id, data.get("final_data"), received.received_at, files))


def _hand_in_onboarding(step: Step, received: Received) -> None:
    data, agent_id = received.packet.data, received.packet.subject_id
    registration = data.get("agent_registration_id")
    handed_in = hand_in(
        step,
        agent_id,
        data.get("onboarding_data"),
        received.received_at,
        str(data.get("request_id")),
        registration if isinstance(registration, str) else None,
    )
    if not handed_in:
        _refuse_onboarding(step, received)


def _refuse_onboarding(step: Step, received: Received) -> None:
    text = "This task has no introduction to hand in. Open the task's link again."
    answer(step, str(received.packet.data.get("request_id")), Refusal(RefusalCode.BAD_REGISTRATION, text))


def _add_metadata(step: Step, received: Received) -> None:
    if received.packet.subject_id in step.state.agents:
        step.add_metadata(received.packet.subject_id, received.packet.data, received.received_at)


def _add_live_update(step: Step, received: Received) -> None:
    if received.packet.subject_id in step.state.agents:
        step.add_live_update(received.packet.subject_id, "worker", received.packet.data, received.received_at)


def _log_error(step: Step, received: Received) -> None:
    told = list(received.packet.data.items())[:20]
    report = {key[:_ERROR_KEY_LENGTH]: str(value)[:_ERROR_LENGTH] for key, value in told}
    step.log("agent", received.packet.subject_id, None, None, PAGE_ERROR, "worker", report)
    step.page_errors.append(received.packet.subject_id)


def _return(step: Step, received: Received) -> None:
    leave(step, received.packet.subject_id, AgentStatus.RETURNED, "the worker gave it back", "worker")


def _disconnect(step: Step, received: Received) -> None:
    leave(step, received.packet.subject_id, AgentStatus.DISCONNECT, "the worker's connection was lost", "router")
