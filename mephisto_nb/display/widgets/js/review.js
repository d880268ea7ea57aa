/** Where anywidget comes in for the panel of review. */

import { mountPanel } from "./mount.js";
import { takePlaces } from "./place.js";
import { reviewPanel } from "./walk.js";

const render = (place) => mountPanel(place, reviewPanel);

export default { initialize: (given) => takePlaces(given, render), render };
