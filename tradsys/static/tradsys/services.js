// Says so when the page can no longer be refreshed: old figures must not look alive.
(function () {
  "use strict";
  const warning = document.getElementById("not-refreshed");
  function old() {
    warning.hidden = false;
    document.getElementById("board").classList.add("old");
  }
  document.body.addEventListener("htmx:sendError", old);
  document.body.addEventListener("htmx:timeout", old);
  document.body.addEventListener("htmx:responseError", old);
  document.body.addEventListener("htmx:afterSwap", function () {
    warning.hidden = true;
  });
})();
