// What pages do with script. Without it every page and form works; here values move, keys work, dialogs open.
import {startCopying} from "./copy.js";
import {startDialogs} from "./dialogs.js";
import {startForms} from "./forms.js";
import {startKeys} from "./keys.js";
import {startLive} from "./live.js";
import {startSelection} from "./selection.js";
import {startTheme} from "./theme.js";
import {startTimes} from "./times.js";
import {plantTrees} from "./tree.js";
import {startZoom} from "./zoom.js";

/** Make a part of the page, new or changed, work. */
export function enliven(root) {
  for (const element of root.querySelectorAll("[data-no-script]")) element.hidden = true;
  for (const select of root.querySelectorAll("select[data-submit]")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }
  startCopying(root);
  startForms(root);
  plantTrees(root);
}

startTheme();
enliven(document);
const times = startTimes();
startDialogs(enliven);
startSelection();
startZoom();
const live = startLive({enliven, times});
startKeys({live});
