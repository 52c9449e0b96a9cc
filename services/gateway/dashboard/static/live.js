"use strict";
// Parts of pages that ask for themselves again have the attribute data-live.
(() => {
  const lost = () => document.getElementById("lost");
  const isLive = (event) => event.detail.elt.hasAttribute && event.detail.elt.hasAttribute("data-live");

  // Nobody looks at a page in the background, so it need not be fetched.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isLive(event) && document.hidden) event.preventDefault();
  });
  for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => {
      if (isLive(event)) lost().hidden = false;
    });
  }
  document.addEventListener("htmx:afterOnLoad", (event) => {
    if (isLive(event)) lost().hidden = true;
  });
  // What cannot be undone is asked for once more, in the words of the form.
  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.ask;
    if (question && !window.confirm(question)) event.preventDefault();
  });
})();
