// Runs before the first paint: the theme follows the system unless this browser's user chose one.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    try {
      return localStorage.getItem("lamina-theme");
    } catch {
      return null; // storage may be switched off: then the system decides
    }
  };
  const apply = () => {
    const chosen = stored();
    document.documentElement.dataset.bsTheme = chosen ?? (dark.matches ? "dark" : "light");
    document.dispatchEvent(new CustomEvent("lamina:theme", { detail: chosen ?? "system" }));
  };
  dark.addEventListener("change", apply);
  document.addEventListener("lamina:choose-theme", (event) => {
    try {
      if (event.detail === "system") localStorage.removeItem("lamina-theme");
      else localStorage.setItem("lamina-theme", event.detail);
    } catch {
      // without storage the choice lasts for this page
    }
    apply();
  });
  apply();
})();
