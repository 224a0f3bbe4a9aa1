/** Spans of time in words and digits. */

/** `1:05:09` or `5:09`. */
export function written(seconds: number): string {
  const two = (number: number) => String(number).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = two(seconds % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** `1 hour 5 minutes`, `40 seconds`. */
export function spoken(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const parts = [counted(hours, "hour"), counted(minutes, "minute")].filter((part) => part !== "");
  return parts.length > 0 ? parts.join(" ") : counted(seconds, "second") || "no time";
}

function counted(number: number, unit: string): string {
  return number === 0 ? "" : `${number} ${unit}${number === 1 ? "" : "s"}`;
}
