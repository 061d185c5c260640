// Makes elements. Text goes in as text nodes only: there is no way here to have it read as markup.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>;

/** An element with attributes (functions become event listeners) and children. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  set(element, attributes);
  add(element, children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function s(tag: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS(SVG, tag);
  set(element, attributes);
  add(element, children);
  return element;
}

function set(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
}

function add(element: Element, children: Child[]): void {
  for (const child of children) {
    if (typeof child === "string") element.append(visible(child));
    else if (child) element.append(child);
  }
}

const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** Characters that cannot be seen, or that turn what stands around them, as their numbers: a name
 *  must not look like another. */
function visible(text: string): string {
  return text.replace(UNSEEN, (character) =>
    `⟨${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** Writes only what changed, so that selections and the screen reader's place survive. */
export function setText(element: Element, text: string): void {
  const shown = visible(text);
  if (element.textContent !== shown) element.textContent = shown;
}

export function setAttribute(element: Element, name: string, value: string | null): void {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Makes `parent` hold exactly `children` in this order, moving as few as possible. */
export function arrange(parent: Element, children: Element[]): void {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const child of children) {
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
  }
}

/** Draws the content anew, keeping what the reader opened, and the focus. Not while text in it is
 *  selected: says whether it did. */
export function redraw(element: Element, children: Node[]): boolean {
  const selection = getSelection();
  if (selection && !selection.isCollapsed && element.contains(selection.anchorNode)) return false;
  const opened = new Map<string, boolean>();
  for (const details of element.querySelectorAll<HTMLDetailsElement>("details[data-key]")) {
    opened.set(details.dataset.key ?? "", details.open);
  }
  const focusable = (): HTMLElement[] => [...element.querySelectorAll<HTMLElement>("a, button, summary, [tabindex]")];
  const focused = focusable().indexOf(document.activeElement as HTMLElement);
  element.replaceChildren(...children);
  for (const details of element.querySelectorAll<HTMLDetailsElement>("details[data-key]")) {
    details.open = opened.get(details.dataset.key ?? "") ?? details.open;
  }
  if (focused >= 0) focusable()[focused]?.focus({ preventScroll: true });
  return true;
}

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}
