/** Which lines of a text changed. */

const MOST_LINES = 400;
const AROUND = 1;

/** Return the lines that went (`-`) and came (`+`), with a line around each; `…` stands for what is the same. */
export function changedLines(before: string, now: string): string[] {
  const [old, next] = [before, now].map(s => s.split('\n', MOST_LINES + 1).slice(0, MOST_LINES));
  return near(script(old, next));
}

/** Every line with a mark, by the longest common subsequence. */
function script(old: string[], next: string[]): string[] {
  const wide = next.length + 1;
  const length = new Uint16Array((old.length + 1) * wide);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = next.length - 1; j >= 0; j--) {
      const [down, right] = [length[(i + 1) * wide + j], length[i * wide + j + 1]];
      length[i * wide + j] = old[i] === next[j] ? length[(i + 1) * wide + j + 1] + 1 : Math.max(down, right);
    }
  }
  const made: string[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < next.length) {
    if (i < old.length && j < next.length && old[i] === next[j]) {
      made.push(` ${old[i]}`);
      [i, j] = [i + 1, j + 1];
    } else if (j === next.length || (i < old.length && length[(i + 1) * wide + j] >= length[i * wide + j + 1])) {
      made.push(`-${old[i++]}`);
    } else {
      made.push(`+${next[j++]}`);
    }
  }
  return made;
}

function near(lines: string[]): string[] {
  const kept = new Set<number>();
  lines.forEach((line, i) => {
    for (let at = i - AROUND; !line.startsWith(' ') && at <= i + AROUND; at++) {
      kept.add(at);
    }
  });
  return lines.flatMap((line, i) => (kept.has(i) ? [line] : kept.has(i - 1) ? ['…'] : []));
}
