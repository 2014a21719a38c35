/**
 * Reading JSON nobody vouches for: each value is asked for by kind, and cut to size.
 *
 * Nothing here throws, whatever it is given; nothing is looked up on a prototype.
 */

/** Some JSON object, without a prototype: `constructor` or `__proto__` are keys like any other. */
export type Fields = Record<string, unknown>;

/** The most characters of one text. */
export const MOST_TEXT = 300;
/** The most entries read of one list or object. */
export const MOST_ENTRIES = 20_000;
/** The most objects read of a list, where nobody asks for more: what is drawn of each is never so many. */
export const MOST_RECORDS = 1000;

const MOST_DEEP = 4;
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g; // as in html.py

/** Return the fields of an object, none of anything else. */
export function fields(value: unknown): Fields {
  const made = Object.create(null) as Fields;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const key of Object.keys(value).slice(0, MOST_ENTRIES)) {
      made[key] = (value as Fields)[key];
    }
  }
  return made;
}

/** Return the first items of a list, none of anything else. */
export function list(value: unknown, most = MOST_ENTRIES): unknown[] {
  return Array.isArray(value) ? value.slice(0, most) : [];
}

/** Return the objects in a list; what is no object counts for an empty one. */
export function records(value: unknown, most = MOST_RECORDS): Fields[] {
  return list(value, most).map(fields);
}

/** Return the texts in a list. */
export function texts(value: unknown, most = MOST_ENTRIES): string[] {
  return list(value, most).map(item => text(item));
}

/** Return the numbers in a list that are numbers. */
export function numbers(value: unknown, most = MOST_ENTRIES): number[] {
  return list(value, most).filter((v): v is number => typeof v === 'number' && Number.isFinite(v));
}

/** Return a number, or null for what is none: texts are not read as numbers. */
export function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** Return any value as one cut text, as Python writes it; control and direction-changing characters become marks. */
export function text(value: unknown, limit = MOST_TEXT): string {
  if (value === null || value === undefined) {
    return '';
  }
  if (typeof value === 'boolean') {
    return value ? 'True' : 'False';
  }
  const whole = typeof value === 'object' ? json(value, limit + 1) : String(value);
  return shown(whole, limit);
}

/** Return a text as it is, cut, with marks for what cannot be seen. */
export function shown(whole: string, limit = MOST_TEXT): string {
  const cut = whole.length > limit ? `${whole.slice(0, limit)}…` : whole;
  return cut.replace(HIDDEN, '\ufffd');
}

/** Return any value as JSON of about so many characters; what is deep or long becomes `…`. */
export function json(value: unknown, room: number, indent = ''): string {
  const parts: string[] = [];
  let left = room;
  const put = (part: string): void => {
    parts.push(part);
    left -= part.length;
  };
  const line = (deep: number): string => (indent ? `\n${indent.repeat(deep)}` : '');
  const walk = (item: unknown, deep: number): void => {
    if (typeof item !== 'object' || item === null) {
      put(typeof item === 'string' ? JSON.stringify(item.slice(0, Math.max(0, left))) : String(item));
      return;
    }
    const keys = Array.isArray(item) ? null : Object.keys(item);
    const [open, close] = keys ? '{}' : '[]';
    const count = keys ? keys.length : (item as unknown[]).length;
    put(open);
    for (let i = 0; i < count; i++) {
      if (left <= 0 || deep > MOST_DEEP * (indent ? 4 : 1)) {
        put('…');
        break;
      }
      put(`${i ? (indent ? ',' : ', ') : ''}${line(deep + 1)}`);
      if (keys) {
        put(`${JSON.stringify(keys[i].slice(0, MOST_TEXT))}: `);
      }
      walk(keys ? (item as Fields)[keys[i]] : (item as unknown[])[i], deep + 1);
    }
    put(`${count ? line(deep) : ''}${close}`);
  };
  walk(value, 0);
  return parts.join('');
}

/** Return a value as people read it: a number with four significant digits, `–` for nothing. */
export function quantity(value: unknown): string {
  if (typeof value !== 'number') {
    return value === null || value === undefined || value === '' ? '–' : text(value);
  }
  if (!Number.isFinite(value)) {
    return String(value);
  }
  const whole = Number.isInteger(value) || Math.abs(value) >= 1000;
  const first = whole ? 0 : Math.floor(Math.log10(Math.abs(value)));
  return whole ? Number(rounded(value, 0)).toLocaleString('en') : String(Number(rounded(value, 3 - first)));
}

/** Round as Python does, so that all views say the same: of two numbers as near, the even one. */
function rounded(value: number, digits: number): string {
  if (digits > 80) {
    return value.toPrecision(4); // no more places can be asked for
  }
  const [near, exact] = [value.toFixed(digits), value.toFixed(digits + 20)];
  return /50{19}$/.test(exact) && /[13579]$/.test(near) ? exact.slice(0, digits ? -20 : -21) : near;
}

/** Return a number with its sign. */
export function signed(value: unknown, digits = 4): string {
  const known = number(value);
  return known === null ? '–' : `${known < 0 ? '−' : '+'}${rounded(Math.abs(known), digits)}`;
}

/** Return a share as a percentage. */
export function percent(value: unknown): string {
  const known = number(value);
  return known === null ? '–' : `${rounded(100 * known, 1)} %`;
}

/** Return a duration as people read it. */
export function duration(value: unknown): string {
  const known = number(value);
  if (known === null) {
    return '';
  }
  if (known < 1) {
    return `${Math.round(known * 1000)} ms`;
  }
  if (known < 60) {
    return `${known.toFixed(1)} s`;
  }
  const seconds = Math.round(known);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`;
}

/** Return a size as people read it. */
export function bytes(value: unknown): string {
  const size = number(value);
  if (size === null) {
    return '';
  }
  return size < 1000 ? `${size} B` : size < 1e6 ? `${(size / 1e3).toFixed(1)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}

/** Return an address only if it is http(s) or relative to this server; others, such as scripts, are none. */
export function address(value: unknown): string {
  if (typeof value !== 'string' || value.length > 2000 || /[\u0000-\u0020\\]/.test(value)) {
    return '';
  }
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(value)?.[1].toLowerCase();
  return (scheme === undefined && !value.startsWith('//')) || scheme === 'http' || scheme === 'https' ? value : '';
}
