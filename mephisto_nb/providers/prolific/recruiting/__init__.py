"""How a run is offered on Prolific: what it would cost, the study, the groups of people, and what Prolific tells of."""
