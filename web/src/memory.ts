/** The person's settings, kept in the browser. Where storage is refused they last as long as the page. */

const PREFIX = "sandlot.";
const unkept = new Map<string, string>();

/** The value kept under `key`. */
export function recall(key: string): string | undefined {
  try {
    return localStorage.getItem(PREFIX + key) ?? undefined;
  } catch {
    return unkept.get(key);
  }
}

/** Keeps `value` under `key`, or forgets it when undefined. */
export function remember(key: string, value: string | undefined): void {
  try {
    if (value === undefined) {
      localStorage.removeItem(PREFIX + key);
    } else {
      localStorage.setItem(PREFIX + key, value);
    }
  } catch {
    value === undefined ? unkept.delete(key) : unkept.set(key, value);
  }
}
