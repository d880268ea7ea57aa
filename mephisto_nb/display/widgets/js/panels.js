/** Where anywidget comes in for panels of people. The model says which: "qualifications" or "workers". */

import { mountPanel } from "./mount.js";
import { takePlaces } from "./place.js";
import { qualificationsPanel } from "./qualifications.js";
import { workersPanel } from "./workers.js";

const render = (place) => mountPanel(place, place.model.get("topic") === "workers" ? workersPanel : qualificationsPanel);

export default { initialize: (given) => takePlaces(given, render), render };
