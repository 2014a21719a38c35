"use strict";
// Lines are [kind, title, says, at, path]; without this program the page leads to all lists.
(() => {
  const MOST = 100;
  const lines = (window.NBMLOPS_SITE || []).map((line) => [line, line.slice(0, 4).join(" ").toLowerCase()]);
  const words = document.getElementById("words");
  const found = document.getElementById("found");
  const hits = document.getElementById("hits");

  const item = ([kind, title, says, at, path]) => {
    const entry = document.createElement("li");
    const link = document.createElement("a");
    const about = document.createElement("span");
    link.href = path;
    link.textContent = title;
    about.textContent = [kind, says, at].filter(Boolean).join(" · ");
    entry.append(link, about);
    return entry;
  };

  const look = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const all = wanted.length ? lines.filter(([, text]) => wanted.every((word) => text.includes(word))) : [];
    hits.replaceChildren(...all.slice(0, MOST).map(([line]) => item(line)));
    const shown = all.length > MOST ? `, the first ${MOST} shown` : "";
    found.textContent = wanted.length ? `${all.length} found${shown}` : `${lines.length} lines to search`;
  };

  document.getElementById("search").hidden = false;
  words.addEventListener("input", look);
  look();
})();
