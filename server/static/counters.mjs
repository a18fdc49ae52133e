// Digits that roll, without moving anything around them.

import { calm, compact } from "./dom.mjs";

/** Show a number in an element; of the changes within one frame the last is drawn. */
export function roll(element, number) {
  element.wanted = number;
  if (element.frame) return;
  const draw = () => {
    element.frame = 0;
    const [before, after] = [element.textContent, element.wanted ? compact(element.wanted) : ""];
    if (before === after) return;
    const way = element.wanted > element.shown ? "up" : "down";
    const first = element.shown === undefined || calm.matches;
    element.shown = element.wanted;
    element.replaceChildren(...[...after].map((letter, at) => {
      const digit = document.createElement("span");
      digit.textContent = letter;
      if (!first && before.at(at - after.length) !== letter) digit.className = way;
      return digit;
    }));
  };
  if (element.shown === undefined) draw();
  else element.frame = requestAnimationFrame(draw);
}
