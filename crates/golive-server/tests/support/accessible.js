// What WCAG 2.2 AA asks of a page, as far as a script can see: text contrast, names of what is operated, labels of fields, one
// main heading and none left out, landmarks, a language, identifiers that are unique, targets that are large enough.
const problems = [];
const told = (what, element) => problems.push(`${what}: ${(element.outerHTML || "").slice(0, 120)}`);
const seen = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && !element.closest(".sr, .skip");

const channels = (color) => {
  const parts = color.match(/[\d.]+/g).map(Number);
  return { rgb: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1 };
};
const over = (top, under) => top.rgb.map((value, index) => value * top.alpha + under[index] * (1 - top.alpha));
const ground = (element) => {
  const layers = [];
  for (let one = element; one; one = one.parentElement) layers.push(channels(getComputedStyle(one).backgroundColor));
  const paper = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  return layers.reverse().reduce((below, layer) => over(layer, below), paper);
};
const light = (rgb) => {
  const [r, g, b] = rgb.map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
  const [bright, dark] = [light(a), light(b)].sort((x, y) => y - x);
  return (bright + 0.05) / (dark + 0.05);
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let text = walker.nextNode(); text; text = walker.nextNode()) {
  const element = text.parentElement;
  if (!text.data.trim() || element.closest("script, style, title, option") || !seen(element)) continue;
  const style = getComputedStyle(element);
  const below = ground(element.closest("svg")?.parentElement ?? element);
  const color = element.closest("svg") ? style.fill : style.color;
  const size = parseFloat(style.fontSize);
  const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
  const found = contrast(over(channels(color), below), below);
  if (found < least) told(`contrast ${found.toFixed(2)} below ${least}`, element);
}

const name = (element) => (element.getAttribute("aria-label") || element.textContent || "").trim();
for (const element of document.querySelectorAll("a[href], button, summary")) {
  if (seen(element) && !name(element)) told("no name", element);
}
for (const element of document.querySelectorAll("input:not([type=hidden]), select, textarea, progress")) {
  if (!element.labels?.length && !element.getAttribute("aria-label")) told("no label", element);
}
for (const element of document.querySelectorAll("a[href], button, summary, input:not([type=hidden]), select")) {
  const box = element.getBoundingClientRect();
  const inline = getComputedStyle(element).display === "inline";
  if (seen(element) && !inline && (box.width < 24 || box.height < 24)) told("target below 24 px", element);
}
for (const element of document.querySelectorAll("svg")) {
  const hidden = element.closest("[aria-hidden=true]");
  if (!hidden && !(element.getAttribute("role") === "img" && element.getAttribute("aria-label"))) told("image without a name", element);
}
const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((one) => Number(one.tagName[1]));
if (headings.filter((level) => level === 1).length !== 1) problems.push("not one main heading");
headings.forEach((level, index) => {
  if (index > 0 && level > headings[index - 1] + 1) problems.push(`heading ${index} skips from ${headings[index - 1]} to ${level}`);
});
if (document.querySelectorAll("main").length !== 1) problems.push("not one main landmark");
for (const landmark of ["header", "footer"]) if (!document.querySelector(`body > ${landmark}`)) problems.push(`no ${landmark}`);
for (const nav of document.querySelectorAll("nav")) if (!nav.getAttribute("aria-label")) told("navigation without a name", nav);
for (const part of document.querySelectorAll("[aria-labelledby], [aria-describedby], label[for]")) {
  for (const id of (part.getAttribute("aria-labelledby") || part.getAttribute("aria-describedby") || part.htmlFor).split(" ")) {
    if (!document.getElementById(id)) told(`refers to ${id}, which is not there`, part);
  }
}
const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
ids.filter((id, index) => ids.indexOf(id) !== index).forEach((id) => problems.push(`the identifier ${id} stands twice`));
for (const cell of document.querySelectorAll("th")) if (!cell.scope) told("header cell without a scope", cell);
if (!document.documentElement.lang) problems.push("no language");
if (!document.title) problems.push("no title");
return problems;
