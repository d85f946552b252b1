"use strict";

// Sorting -------------------------------------------------------------------------------------------------------------

const words = new Intl.Collator("en", { numeric: true });

function sortBy(table, header) {
  const column = [...header.parentElement.children].indexOf(header);
  const descending = header.getAttribute("aria-sort") === "ascending";
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, value: row.cells[column].dataset.value }));
  const present = rows.filter((entry) => entry.value !== "");
  const numeric = present.every((entry) => !Number.isNaN(Number(entry.value)));
  present.sort((a, b) => {
    const order = numeric ? compareNumbers(Number(a.value), Number(b.value)) : words.compare(a.value, b.value);
    return descending ? -order : order;
  });
  const missing = rows.filter((entry) => entry.value === "");
  body.append(...[...present, ...missing].map((entry) => entry.row));
  for (const other of header.parentElement.children) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

function compareNumbers(a, b) {
  return a === b ? 0 : a < b ? -1 : 1; // a difference of two infinities would be no number
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const header of table.tHead.rows[0].cells) {
    header.querySelector("button").addEventListener("click", () => sortBy(table, header));
  }
}

// Which figure the tables show ----------------------------------------------------------------------------------------

for (const choice of document.querySelectorAll(".figure-switch")) {
  choice.addEventListener("change", () => {
    for (const block of choice.closest(".data-set").querySelectorAll("[data-figure]")) {
      block.hidden = block.dataset.figure !== choice.value;
    }
  });
}

// Images --------------------------------------------------------------------------------------------------------------

class Viewer {
  constructor(root) {
    this.root = root;
    this.data = JSON.parse(this.find(".viewer-data").textContent);
    this.unit = null; // [side, number] of the map that lies over the images
    this.frame = this.find(".frame");
    this.split = this.find(".split");
    this.image = this.find(".pick-image");
    this.image.addEventListener("change", () => this.show());
    for (const choice of root.querySelectorAll(".pick-side")) choice.addEventListener("change", () => this.show());
    for (const button of root.querySelectorAll(".step")) {
      button.addEventListener("click", () => this.step(Number(button.dataset.step)));
    }
    this.find(".pick-zoom").addEventListener("change", () => this.resize());
    this.split.addEventListener("input", () => this.divide());
    this.frame.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.frame.setPointerCapture(event.pointerId);
      this.follow(event);
    });
    this.frame.addEventListener("pointermove", (event) => {
      if (this.frame.hasPointerCapture(event.pointerId)) this.follow(event);
    });
    this.opacity = this.find("input.opacity");
    this.opacity?.addEventListener("input", () => this.overlay());
    window.addEventListener("resize", () => this.resize());
    this.show();
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  get current() {
    return this.data.images[Number(this.image.value)];
  }

  side(place) {
    return this.find(`.pick-side[data-place=${place}]`);
  }

  step(by) {
    const count = this.data.images.length;
    this.image.value = String((Number(this.image.value) + by + count) % count);
    this.show();
  }

  choose(image, left, right) {
    this.image.value = String(image);
    for (const [place, key] of [["left", left], ["right", right]]) {
      if (key in this.data.labels) this.side(place).value = key;
    }
    this.show();
  }

  show() {
    const { current, data } = this;
    for (const place of ["left", "right"]) {
      const key = this.side(place).value;
      const picture = data.pictures[current.pictures[key]];
      const img = this.find(`img.${place}`);
      img.hidden = picture === undefined;
      this.find(`.absent.${place}`).hidden = picture !== undefined;
      if (picture !== undefined) img.src = picture;
      img.alt = `${current.name}: ${data.labels[key]}`;
      this.find(`.${place}-label`).textContent = data.labels[key];
      this.find(`.${place}-figures`).textContent = current.figures[key] ?? "";
    }
    const about = [current.class && `Class ${current.class}`, `${current.height} × ${current.width} pixels`];
    this.find(".about").textContent = [...about, ...current.reasons].filter(Boolean).join("; ");
    this.showMaps();
    this.resize();
    this.divide();
  }

  divide() {
    const left = this.find(".left-label").textContent;
    const right = this.find(".right-label").textContent;
    this.frame.style.setProperty("--split", `${this.split.value}%`);
    this.split.setAttribute("aria-valuetext", `${this.split.value} % ${left}, the rest ${right}`);
  }

  follow(event) {
    const box = this.frame.getBoundingClientRect();
    this.split.value = String(Math.round((100 * (event.clientX - box.left)) / box.width));
    this.divide();
  }

  // A pixel takes a whole number of the screen's where that fits, so that none is drawn larger than its neighbour.
  resize() {
    const { width, height } = this.current;
    const room = this.find(".compare").clientWidth;
    const fitting = Math.min(3, Math.floor((room * devicePixelRatio) / width) / devicePixelRatio);
    const zoom = Number(this.find(".pick-zoom").value) || fitting;
    const shown = zoom ? zoom * width : room;
    this.frame.style.width = `${shown}px`;
    this.frame.style.aspectRatio = `${width} / ${height}`;
    this.root.style.setProperty("--frame", `${Math.max(Math.min(shown, room), Math.min(room, 320))}px`);
  }

  showMaps() {
    const units = this.find(".units");
    if (!units) return;
    units.replaceChildren();
    for (const [side, keys] of Object.entries(this.current.maps)) {
      const title = document.createElement("h5");
      title.textContent = this.data.labels[side] ?? side;
      const row = document.createElement("div");
      keys.forEach((key, number) => row.append(this.unitButton(side, number, key)));
      units.append(title, row);
    }
    if (!units.childElementCount) units.textContent = "There are no maps of this image.";
    this.overlay();
  }

  unitButton(side, number, key) {
    const button = document.createElement("button");
    const img = document.createElement("img");
    button.type = "button";
    img.src = this.data.pictures[key];
    img.alt = `Guidance map of ${this.current.name}`;
    button.append(img, `unit ${number + 1}`);
    button.dataset.unit = `${side} ${number}`;
    button.addEventListener("click", () => {
      this.unit = this.isOn(side, number) ? null : [side, number];
      this.overlay();
    });
    return button;
  }

  isOn(side, number) {
    return this.unit !== null && this.unit[0] === side && this.unit[1] === number;
  }

  overlay() {
    const over = this.find("img.overlay");
    const key = this.unit && this.current.maps[this.unit[0]]?.[this.unit[1]];
    over.hidden = !key;
    if (key) {
      over.src = this.data.pictures[key];
      over.alt = `Guidance map of unit ${this.unit[1] + 1}`;
      over.style.opacity = String(Number(this.opacity.value) / 100);
    }
    for (const button of this.root.querySelectorAll(".units button")) {
      button.setAttribute("aria-pressed", String(this.unit !== null && button.dataset.unit === this.unit.join(" ")));
    }
  }
}

const viewers = new Map([...document.querySelectorAll(".viewer")].map((root) => [root.id, new Viewer(root)]));

for (const button of document.querySelectorAll(".show")) {
  const viewer = viewers.get(button.dataset.viewer);
  const { pictures } = viewer.data.images[Number(button.dataset.image)];
  const key = pictures[button.dataset.side] ?? pictures.gt ?? Object.values(pictures)[0];
  button.querySelector("img").src = viewer.data.pictures[key];
  button.addEventListener("click", () => {
    viewer.choose(button.dataset.image, button.dataset.left, button.dataset.right);
    viewer.root.scrollIntoView();
    viewer.split.focus({ preventScroll: true });
  });
}

// A printed page shows what is folded on the screen.
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
