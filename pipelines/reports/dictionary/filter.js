(() => {
  "use strict";
  const $$ = (selector, within) => [...(within || document).querySelectorAll(selector)];
  const box = document.querySelector("#filter");
  const count = document.querySelector("#count");
  const tables = $$("article");
  const text = new Map($$(".head, .column").map((e) => [e, e.textContent.toLowerCase()]));

  // What is typed: every word must occur, in a column or in what is said of its table.
  const show = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let columns = 0;
    for (const table of tables) {
      const head = text.get(table.querySelector(".head"));
      const own = words.every((word) => head.includes(word));
      let any = own;
      for (const column of $$(".column", table)) {
        const hit = own || words.every((word) => head.includes(word) || text.get(column).includes(word));
        column.hidden = !hit;
        columns += hit;
        any ||= hit;
      }
      table.hidden = !any;
    }
    for (const group of $$(".schema")) group.hidden = $$("article", group).every((t) => t.hidden);
    const left = tables.filter((t) => !t.hidden).length;
    count.textContent = words.length ? `${columns} columns in ${left} tables` : "";
    document.body.classList.toggle("filtered", words.length > 0);
  };
  box.closest("form").hidden = false;
  box.addEventListener("input", show);
  box.closest("form").addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.closest("[hidden]")) {
      box.value = "";
      show();
      target.scrollIntoView();
    }
  });

  // Under the pointer: everything that a table is built from, and everything built from it.
  const edges = $$("path[data-from]");
  const nodes = $$("svg a");
  const light = (name) => {
    const lit = new Set([name]);
    const follow = (at, near, far) => {
      for (const edge of edges) {
        if (edge.dataset[near] === at && !lit.has(edge)) {
          lit.add(edge).add(edge.dataset[far]);
          follow(edge.dataset[far], near, far);
        }
      }
    };
    follow(name, "from", "to");
    follow(name, "to", "from");
    for (const edge of edges) edge.classList.toggle("lit", lit.has(edge));
    for (const node of nodes) node.classList.toggle("lit", lit.has(node.dataset.name));
  };
  for (const node of nodes) {
    node.addEventListener("pointerenter", () => light(node.dataset.name));
    node.addEventListener("pointerleave", () => light(""));
  }
})();
