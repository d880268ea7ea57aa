"""The tables of Mephisto 1.x: their columns, over all of its versions, and what its words mean here."""

from __future__ import annotations

from collections.abc import Mapping

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "projects": ("project_id", "project_name", "creation_date"),
    "tasks": ("task_id", "task_name", "task_type", "project_id", "parent_task_id", "creation_date"),
    "requesters": ("requester_id", "requester_name", "provider_type", "creation_date"),
    "task_runs": (
        "task_run_id", "task_id", "requester_id", "init_params", "is_completed", "provider_type", "task_type",
        "sandbox", "creation_date",
    ),
    "assignments": (
        "assignment_id", "task_id", "task_run_id", "requester_id", "task_type", "provider_type", "sandbox",
        "creation_date",
    ),
    "units": (
        "unit_id", "assignment_id", "unit_index", "pay_amount", "provider_type", "status", "agent_id", "worker_id",
        "task_type", "task_id", "task_run_id", "sandbox", "requester_id", "creation_date",
    ),
    "workers": ("worker_id", "worker_name", "provider_type", "creation_date"),
    "agents": (
        "agent_id", "worker_id", "unit_id", "task_id", "task_run_id", "assignment_id", "task_type", "provider_type",
        "status", "creation_date",
    ),
    "onboarding_agents": (
        "onboarding_agent_id", "worker_id", "task_id", "task_run_id", "task_type", "status", "creation_date",
    ),
    "qualifications": ("qualification_id", "qualification_name", "description", "creation_date"),
    "granted_qualifications": (
        "granted_qualification_id", "worker_id", "qualification_id", "value", "update_date", "creation_date",
    ),
    "worker_review": (
        "id", "unit_id", "worker_id", "task_id", "status", "review_note", "bonus", "blocked_worker",
        "updated_qualification_id", "updated_qualification_value", "revoked_qualification_id", "creation_date",
    ),
}  # fmt: skip

#: In whose name decisions of 1.x stand: it does not say who made them.
WHO = "Mephisto 1.x"
#: What a decision is called, in one version or another, and what it makes of a unit.
REVIEW_STATUS: Mapping[str, str] = {
    "approved": "accepted",
    "accepted": "accepted",
    "soft_rejected": "soft_rejected",
    "rejected": "rejected",
}
ANSWERED_UNITS = frozenset({"completed", "accepted", "rejected", "soft_rejected"})
#: Units whose status may lag behind their agent's, and what the agent's says.
FOLLOWS_AGENT = frozenset({"assigned", "completed", "accepted", "rejected", "soft_rejected"})
UNIT_OF_AGENT: Mapping[str, str] = {
    "completed": "completed",
    "approved": "accepted",
    "rejected": "rejected",
    "soft_rejected": "soft_rejected",
}
