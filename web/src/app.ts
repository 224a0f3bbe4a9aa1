/** Where the script begins, on every page. */

import { startLandingPage } from "./landing";
import { startSessionPage } from "./session";
import { startTheme } from "./theme";

startTheme();

switch (document.body.dataset.page) {
  case "landing":
    startLandingPage();
    break;
  case "session":
    startSessionPage();
    break;
}
