/** Why a session or a connection ended, in words. */

const SESSION_REASONS = new Map([
  ["expired", "Its time was over."],
  ["closed", "It was closed."],
  ["start_failed", "It could not be started."],
  ["operator", "The operator of this service ended it."],
  ["supervisor_lost", "The service that runs it failed, so its machines were stopped."],
  ["node_restarted", "The computer that ran it was restarted."],
]);

/** A sentence for the reason of a session's end as the server names it. */
export function sessionReason(reason: string | undefined): string {
  return SESSION_REASONS.get(reason ?? "") ?? "It is no longer there.";
}

/** A sentence for how a terminal's process ended. */
export function exitReason(code: number | null, signal: number | string | null): string {
  if (signal !== null && signal !== undefined) {
    return `The shell was ended by signal ${signal}.`;
  }
  return code === 0 || code === null ? "The shell has ended." : `The shell has ended with exit code ${code}.`;
}
