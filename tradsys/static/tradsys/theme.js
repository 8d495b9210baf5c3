// Applies the remembered theme before the first paint, and toggles it.
(function () {
  "use strict";
  const root = document.documentElement;
  const remembered = window.localStorage.getItem("tradsys-theme");
  if (remembered === "dark" || remembered === "light") {
    root.dataset.theme = remembered;
  }
  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-toggle-theme]");
    if (!button) {
      return;
    }
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : window.matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    window.localStorage.setItem("tradsys-theme", root.dataset.theme);
    document.dispatchEvent(new CustomEvent("tradsys:theme"));
  });
})();
