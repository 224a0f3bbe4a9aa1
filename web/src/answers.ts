/**
 * Silences xterm.js's own answers to queries (device attributes, cursor position, colours, modes). While output is
 * replayed they were answered long ago, and of several viewers only the driver may answer.
 */

import type { Terminal } from "@xterm/xterm";

/** CSI queries that xterm.js answers, by prefix, intermediates and final. */
const CSI_QUERIES = [
  { final: "c" },
  { prefix: ">", final: "c" },
  { final: "n" },
  { prefix: "?", final: "n" },
  { intermediates: "$", final: "p" },
  { prefix: "?", intermediates: "$", final: "p" },
];

/** OSC numbers whose data may ask with a question mark. */
const OSC_COLOURS = [4, 10, 11, 12];

/** What xterm.js says on its own when a program switches focus reports on, and later when the focus moves. */
const FOCUS_REPORT = /^\x1b\[[IO]$/;

/** Swallows each query that is parsed while `silent()`. */
export function silenceAnswers(terminal: Terminal, silent: () => boolean): void {
  const { parser } = terminal;
  for (const query of CSI_QUERIES) {
    parser.registerCsiHandler(query, silent);
  }
  parser.registerDcsHandler({ intermediates: "$", final: "q" }, silent);
  for (const number of OSC_COLOURS) {
    parser.registerOscHandler(number, (data) => silent() && data.split(";").includes("?"));
  }
}

/** True for data of xterm.js that nobody typed, and that a silent terminal must not send. */
export function isFocusReport(data: string): boolean {
  return FOCUS_REPORT.test(data);
}
